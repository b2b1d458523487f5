"""The generated demo competition."""
