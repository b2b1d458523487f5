"""Every number of the planner's rules, so that a measurement that speaks against one changes one line."""

from __future__ import annotations

# What is looked at.
IMAGES_LOOKED_AT = 500  # pixels, objects and positions of so many training images
SPECK = 0.005  # of the area of the largest object of a mask: smaller ones are slips of the pen
LABEL_SECONDS = 6.0  # of reading further masks, for the share of empty images and the images of each class
UNLIKE_DEVIATIONS = 1.0  # between the mean brightness of training and test images, in deviations of the training images

UNLIKE_GREY = 0.5  # between their shares of grey images

# Symmetry: share of the variation of mask positions that is one same asymmetry of all images (docs/results.md).
FLIP_LIMIT = {"horizontal": 0.2, "vertical": 0.0}
FLIP_TIMES_CHANCE = 2.0  # and so many times what images without any asymmetry show by chance

# Copies are looked for, to keep them in one fold, only if that takes no longer.
COPIES_SECONDS, COPIES_SHARE = 40.0, 0.03  # share of the budget
COPY_PAIR_SECONDS = 0.002  # to compare two images closely
TILE_IMAGE_SECONDS = 0.01  # an image, to look for others that show a part of it
LARGEST_GROUP = 0.3  # of the images: larger ones are no copies, but images of one kind

# Speed measurement.
SPEED_SECONDS, SPEED_SHARE = 40.0, 0.05  # at most, and of the budget
SPEED_DAYS = 7.0  # after which a cached measurement is made again
SPEED_BATCH = 8

# Encoders: the first whose weights are at hand. On a GPU the first list whose minutes fit the budget.
CPU_ENCODERS = ("mobilenet_v2", "timm-tf_efficientnet_lite0", "efficientnet-b0", "timm-efficientnet-b0", "resnet18")
GPU_ENCODERS = {
    0.0: ("resnet34", "efficientnet-b0", "timm-efficientnet-b0", "resnet18", "mobilenet_v2"),
    20.0: ("tu-tf_efficientnetv2_s", "efficientnet-b3", "timm-efficientnet-b3", "resnet50", "resnet34"),
    180.0: ("tu-tf_efficientnetv2_m", "efficientnet-b5", "timm-efficientnet-b5", "tu-tf_efficientnetv2_s", "resnet50"),
}
RANDOM_ENCODER = "tu-mobilenetv3_small_100"  # without any weights: learns simple shapes fast (the demo)
CPU_DECODER = (128, 64, 32, 24, 16)
DOWNLOAD_SECONDS = 3.0  # to find out whether weights can be downloaded

# Size of the images.
OBJECT_PX = 3.5  # that the smallest tenth of the objects keep after resizing
MOST_FILLER = 0.1  # share of the pixels of a batch that only fill it up
MOST_STRETCH = 1.15  # of one side against the other
ASPECT_SPREAD = 1.6  # between the 95th and 5th percentile of width / height: above it images are cropped, not squeezed
WHOLE_PX = {"cpu": (256**2 * 2, 320**2, 256**2, 192**2, 160**2, 128**2), "gpu": (768**2, 512**2, 384**2, 256**2)}
CROP_PX = {"cpu": 192**2, "gpu": 384**2}
CROP_SCALES = (1.0, 0.75, 0.5, 0.375, 0.25)
LEAST_SIDE = 96
ENOUGH_EPOCHS = 4.0  # of a model of the planned run: a smaller size is chosen until so many fit
ENOUGH_DRAWS = 8000  # or so many crops
SMALL_PX, ENLARGED_EPOCHS = 160**2, 12.0  # images that are enlarged, and epochs that a training must then have
LEAST_DRAWS_OF_SIZE = 2400  # however few images there are
TILE_FROM_PX, TILE = 1536**2, 1024
PREDICTED_PX = {"cpu": 2**21, "gpu": 2**23}  # in a batch of inference

# Training.
BATCHES = {"cpu": (16, 8, 4), "gpu": (32, 16, 8, 4)}
LEAST_STEPS = 400  # in the training of a model: smaller batches until so many fit
EPOCH_STEPS = 20  # an epoch of a small set draws its images several times
EPOCHS_IN_TRAINING = 4.0  # of a large set: an epoch is at most a quarter of a model's training
LEAST_DRAWS = 150  # images that the first training must be able to draw, else the budget is too short
MOST_EPOCHS = 60  # of images, unless the set is small
SMALL_SET_STEPS = 1500
SPARE_EPOCHS = 3.0  # times as many as expected, because the machine may turn out faster than it was measured
SHORT_MINUTES, SHORT_TRIALS = 30.0, 20  # a shorter budget samples fewer soft gates, which take 15 ms each
ENCODER_RATE, DECODER_RATE = 5e-4, 1e-3  # at a batch of RATE_BATCH
RATE_BATCH = 16
RANDOM_RATE = 3e-3  # of networks with random weights
LIGHT_EPOCHS, HEAVY_EPOCHS = 10.0, 100.0  # augmentation is light below, heavy above
RARE_SHARE = 0.05  # of the images that show a class: log-Dice
EMPTY_SHARE = 0.4  # of empty images: sampled less often
HEAD_SHARE = 0.3  # of empty images: a classification head, measured at 0.39
NON_EMPTY_DRAWN = 0.7
UNBALANCED = 3.0  # times as many images of the most common class as of the rarest
CLASS_BALANCE = 0.8
SMALL_COVERAGE = 0.02  # of a non-empty image: crops on objects
DEFECT_CROPS = 0.8

# Folds and the clock: shares of the budget.
FIRST_SHARE = 0.1  # training of the first run (docs/results.md)
QUARTER = 0.25  # until the first submission
MOST_REPEATS, REPEAT_UNITS = 5, 10  # splits; images or groups a fold that are needed for several splits
FOLD_EPOCHS = 40.0  # of each fold: below, one hold-out instead of three folds; as many of five: five folds
ENOUGH_FOLDS = 5  # of which a cut for each image carries over: with five networks it gains, with two it loses
HELD_OUT, RAREST_HELD_OUT = 300, 15  # images wanted in the hold-out, and of the rarest class
HELD_OUT_SHARES = (0.05, 0.25)  # least and largest share, but for small sets:
LEAST_HELD_OUT, SMALL_SET_SHARE = 16, 0.4  # so many images, up to this share
PARTS_IMAGES = 40  # held-out images a part
RESERVE = 0.03  # of the budget, for what nobody foresaw
VIEW_SHARE = 0.1  # of the budget that prediction may take with one more view
VIEW_SCALE, SCALED_SHARE = 1.25, 0.05  # of an enlarged view, and of the budget with it (docs/results.md)
START_SECONDS = 10.0  # opening the data, folds, the start of trainings
TUNING_SECONDS, TUNING_SECONDS_CLASS = 7.0, 2.0  # of each run, of each class; and for every pixel and class of the OOF
GATES_SECONDS_CLASS = 5.0  # of each class with a classification head, for its gates
TUNING_NS, PREDICTION_NS, REPORT_MS = 12.0, 6.0, 4.0  # a pixel and class; a pixel and class; an image

# Memory and disk.
MEMORY_SHARE = 0.6  # of what is free that a step of training may take
MODEL_FILES = 6  # times the network's bytes: checkpoints with the optimiser's state, the best, the selected weights
OOF_BYTES = 0.5  # on disk a pixel and class: probabilities, compressed, and histograms
