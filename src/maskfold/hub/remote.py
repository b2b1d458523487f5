"""Repositories of the Hugging Face hub: fetched into its cache, and pushed to."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from maskfold.artefacts.manifest import MANIFEST
from maskfold.errors import UsageError
from maskfold.hub.address import HubAddress
from maskfold.hub.manifest import CARD, read_manifest

_SECONDS = 20  # for the first answer of the hub
_COMMIT = re.compile("[0-9a-f]{40}")
_OF_EVERY_REPOSITORY = {".gitattributes", CARD}


def fetched(address: HubAddress) -> Path:
    """The folder of a shared model in the cache of the hub, brought up to date with what the address means now.

    Without an answer of the hub the cached copy is used, and a line says so. Raises UsageError for a repository that is
    not there, not open to this user or no shared model, and without network and copy.
    """
    _check_home()
    try:
        if _is_commit(address.revision):
            with suppress(LocalEntryNotFoundError):
                return _whole(address, address.revision, offline=True)
        offline, silence = _silence_of(address)
        folder = _whole(address, address.revision, offline)
    except LocalEntryNotFoundError as error:
        raise UsageError(
            f"{address}: the hub ({constants.ENDPOINT}) cannot be reached, and no whole copy is in the cache "
            f"({constants.HF_HUB_CACHE}). Try again with a network, or give a folder that holds the model, copied "
            f"from a machine that has it ({type(error).__name__})"
        ) from None
    except (HFValidationError, HTTPError, OSError) as error:
        broken = f"the download broke off ({error}); the same command continues it"
        raise _explained(address, error, broken) from None
    if offline:
        print(
            f"hub: {silence}; using the cached copy of {address}, commit {folder.name[:12]}, which may be old",
            flush=True,
        )
    return folder


def _is_commit(revision: str | None) -> bool:
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def _silence_of(address: HubAddress) -> tuple[bool, str]:
    """Whether the hub does not answer, and how; asked first, because a download would try for a long time.

    Raises HfHubHTTPError for what the hub refuses.
    """
    try:
        HfApi().model_info(address.repository, revision=address.revision, timeout=_SECONDS)
    except OfflineModeIsEnabled:
        return True, "HF_HUB_OFFLINE is set"
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code < 500:
            raise
        return True, f"the hub answers {error.response.status_code}"
    except (HTTPError, OSError) as error:
        if not _is_of_network(error):
            raise
        return True, f"{constants.ENDPOINT} cannot be reached ({type(error).__name__})"
    return False, ""


def _whole(address: HubAddress, revision: str | None, offline: bool) -> Path:
    """The folder with the files of the manifest; revision: by its name, which the cache remembers."""
    folder = _snapshot(address, revision, offline, [MANIFEST])
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{address} holds no {MANIFEST}, so it is no model that maskfold shared")
    return _snapshot(address, folder.name, offline, [MANIFEST, CARD, *read_manifest(folder).files])


def _snapshot(address: HubAddress, revision: str | None, offline: bool, only: list[str]) -> Path:
    return Path(
        snapshot_download(
            address.repository,
            revision=revision,
            allow_patterns=only,
            local_files_only=offline,
            library_name="maskfold",
        )
    )


def _is_of_network(error: Exception) -> bool:
    """Whether a connection failed, and not the disk: the errors of the system have a number."""
    return not isinstance(error, OSError) or error.errno is None or isinstance(error, ConnectionError | TimeoutError)


def push(folder: Path, address: HubAddress, public: bool, message: str) -> str:
    """Push a shared model as one commit, to a new private repository or one that holds a shared model; its address.

    public: make a new repository public, or allow that it is. Raises UsageError without a token or a network, for a
    repository that is public or holds something else, and what the hub refuses.
    """
    _check_home()
    if get_token() is None:
        raise UsageError(
            f"{address}: no token of the Hugging Face hub: run `hf auth login`, or set HF_TOKEN; it was looked for in "
            f"HF_TOKEN and {constants.HF_TOKEN_PATH}"
        )
    if address.revision is not None:
        raise UsageError(f"{address}: a push goes to the main branch; leave @{address.revision} out")
    api = HfApi(library_name="maskfold")
    try:
        _check_repository(api, address, public)
        api.create_repo(address.repository, private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=address.repository,
            folder_path=folder,
            commit_message=message,
            delete_patterns=["*.safetensors"],  # of models that there are no longer
        )
    except (HFValidationError, HTTPError, OSError) as error:
        broken = (
            f"the hub ({constants.ENDPOINT}) cannot be reached ({type(error).__name__}: {error}); nothing was changed "
            "there. --to FOLDER writes the same files here, which can be pushed later"
        )
        raise _explained(address, error, broken) from None
    except (RuntimeError, ValueError) as error:  # of a file, or of the card
        reason = error.__cause__ or error
        raise UsageError(f"{address}: the push broke off ({error} {reason}); the repository is as before") from None
    return f"{address.repository}@{done.oid}"


def _check_repository(api: HfApi, address: HubAddress, public: bool) -> None:
    """Raise UsageError for a repository that is public without `public`, or that holds something else."""
    try:
        found = api.model_info(address.repository, timeout=_SECONDS)
    except RepositoryNotFoundError:
        return
    if found.private is False and not public:
        raise UsageError(f"{address} is public: give --public if everybody may have this model, or another --to")
    names = {each.rfilename for each in found.siblings or ()}
    if names - _OF_EVERY_REPOSITORY and MANIFEST not in names:
        raise UsageError(f"{address} holds something else ({', '.join(sorted(names)[:3])}): give another --to")


def _explained(address: HubAddress, error: Exception, broken: str) -> Exception:
    """What to raise for an error of the hub's client: in words, or an error of the disk as it is.

    broken: what is said where the network failed.
    """
    if isinstance(error, HFValidationError):
        return UsageError(f"{address}: no name of a repository: {error}")
    if isinstance(error, HfHubHTTPError):
        return UsageError(_refusal(address, error))
    return UsageError(f"{address}: {broken}") if _is_of_network(error) else error


def _refusal(address: HubAddress, error: Exception) -> str:
    """What the hub refuses, and what would help."""
    if isinstance(error, RevisionNotFoundError):
        return f"{address}: the repository has no such revision; give a branch, a tag or a commit of it"
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"{address}: no such repository, or it is private or gated and your token may not read it (`hf auth "
            f"login`; looked for in HF_TOKEN and {constants.HF_TOKEN_PATH}); open its page to ask for access"
        )
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    if status in (401, 403):
        return f"{address}: your token may not do this ({status}): it needs the right to write there. {error}"
    return f"{address}: {error}"


def _check_home() -> None:
    """Raise UsageError where the cache of the hub would be a folder called `~`: there is no home."""
    if "~" in Path(constants.HF_HOME).parts:
        raise UsageError(
            "there is no home folder for the cache of the hub: set HF_HOME to a folder that can be written"
        )
