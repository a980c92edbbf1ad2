# What jobs ask a scheduler for: more for more images, frames and megabytes, and twice as much after each failed
# attempt. What a profile names under `resources:` is the most that any job asks for.

STANDARD_PX = 256 * 256  # an image that the figures below are for
# Generous: these are limits, and a scheduler ends what exceeds them. Two cores without a GPU are two to ten times as
# fast (benchmarks/results).
TRAINED_PER_S, PREDICTED_PER_S = 5, 10
CROPPED_PER_S, CHECKSUMS_PER_S, DRAWN_PER_S = 20, 50, 10
START_MINUTES = 10  # of an environment on a slow file system
TRAINING_MB, PREDICTION_MB, STEP_MB = 2500, 2500, 1000  # before the first image
TRAINED_MB, PREDICTED_MB = 150, 50  # an image of a batch
WORKER_MB = 300  # a process that loads images, besides these
TABLE_MB = 20  # in memory for each megabyte of CSV
MEMBER_MB = 250  # of an ensemble, whose predictions are read ahead
FRAMES_PER_MB = 200  # of a video in a store, whose header cannot be read yet


def again(amount, attempt):
    """The amount of this attempt, each asking for twice as much as the one before."""
    return math.ceil(amount) * 2 ** (attempt - 1)


def minutes(seconds, attempt):
    return again(START_MINUTES + seconds / 60, attempt)


@cache
def rows_at(path, _changed_ns):
    with open(path, "rb") as file:
        return max(sum(1 for line in file if line.strip()) - 3, 0)


def rows_of(labels):
    """How many images a labels CSV has; raises FileNotFoundError before it is there, as input.size_mb does."""
    return rows_at(str(labels), Path(str(labels)).stat().st_mtime_ns)


def table_megabytes(input):
    """The size of the tables among the inputs that are there."""
    tables = [Path(str(path)) for path in input if str(path).endswith(".csv")]
    return sum(path.stat().st_size for path in tables if path.is_file()) / 2**20


def standard_images(own):
    """How many images of the standard size one image of a network's input counts for."""
    dims = own.data.image_resize_dims
    views = 5 if takes_context(own.model.model_type) else 1
    return views * dims.height * dims.width / STANDARD_PX


def step_images(own):
    """How many images of the standard size a training step sees."""
    frames = own.dali.base.train.sequence_length if own.model.losses_to_use else 0
    return standard_images(own) * (own.training.train_batch_size + frames)


def training_mb(wildcards, kind, attempt):
    own = training_settings(wildcards.dataset, kind, wildcards.variant)
    workers = WORKER_MB * (own.training.num_workers or 0)
    return again(TRAINING_MB + workers + TRAINED_MB * step_images(own), attempt)


def training_minutes(wildcards, kind, labels, attempt):
    own = training_settings(wildcards.dataset, kind, wildcards.variant)
    epoch = math.ceil(rows_of(labels) / own.training.train_batch_size)
    if own.model.losses_to_use:
        epoch = max(epoch, VIDEO_BATCHES)
    accumulate = own.training.accumulate_grad_batches
    epochs = own.training.max_epochs
    steps = own.training.max_steps or math.ceil(epochs * epoch / accumulate)
    images = steps * step_images(own) * accumulate
    return minutes(images / TRAINED_PER_S, attempt)


def detector_mb(wildcards, attempt):
    return training_mb(wildcards, "detector", attempt)


def detector_minutes(wildcards, input, attempt):
    return training_minutes(wildcards, "detector", input.labels, attempt)


def pose_mb(wildcards, attempt):
    return training_mb(wildcards, "pose", attempt)


def pose_minutes(wildcards, input, attempt):
    return training_minutes(wildcards, "pose", input.crops, attempt)


def prediction_mb(wildcards, kind, attempt):
    own = training_settings(wildcards.dataset, kind, wildcards.get("variant", ""))
    images = standard_images(own) * own.training.test_batch_size
    return again(PREDICTION_MB + PREDICTED_MB * images, attempt)


def prediction_minutes(wildcards, kind, images, attempt):
    own = training_settings(wildcards.dataset, kind, wildcards.get("variant", ""))
    return minutes(images * standard_images(own) / PREDICTED_PER_S, attempt)


def detector_prediction_mb(wildcards, attempt):
    return prediction_mb(wildcards, "detector", attempt)


def detector_prediction_minutes(wildcards, input, attempt):
    return prediction_minutes(wildcards, "detector", rows_of(input.labels), attempt)


def pose_prediction_mb(wildcards, attempt):
    return prediction_mb(wildcards, "pose", attempt)


def pose_prediction_minutes(wildcards, input, attempt):
    return prediction_minutes(wildcards, "pose", rows_of(input.labels), attempt)


def frames_at(input):
    """How many frames a video has; raises FileNotFoundError before it is there, as input.size_mb does."""
    if input.video.is_storage and not Path(input.video).is_file():
        return math.ceil(FRAMES_PER_MB * input.size_mb)
    return frames_of(input.video)


def video_minutes(wildcards, input, attempt):
    return prediction_minutes(wildcards, "detector", frames_at(input), attempt)


def video_mb(wildcards, attempt):
    """Memory for a detector on a video; some batches of frames are held as they were filmed."""
    return prediction_mb(wildcards, "detector", attempt) + 1500


def cropzoom_mb(wildcards, attempt):
    both = [prediction_mb(wildcards, kind, attempt) for kind in ("detector", "pose")]
    return max(both) + 1500


def cropzoom_minutes(wildcards, input, attempt):
    """Time for both networks on the frames of a video, or of a stretch of it."""
    frames = frames_at(input)
    if hasattr(wildcards, "start"):
        frames = int(wildcards.stop or frames) - int(wildcards.start)
    kinds = ("detector", "pose")
    return sum(prediction_minutes(wildcards, kind, frames, attempt) for kind in kinds)


def table_mb(wildcards, input, attempt):
    """Memory for steps that hold tables and little else."""
    return again(STEP_MB + TABLE_MB * table_megabytes(input), attempt)


def table_minutes(wildcards, input, attempt):
    return minutes(table_megabytes(input), attempt)


def blocks_mb(wildcards, input, attempt):
    """Memory for steps that hold some thousand rows of each member's table at a time."""
    return again(STEP_MB + MEMBER_MB * len(input.members), attempt)


def cropping_minutes(wildcards, input, attempt):
    return minutes(rows_of(input.labels) / CROPPED_PER_S, attempt)


def labeling_mb(wildcards, input, attempt):
    return table_mb(wildcards, input, attempt) + again(STEP_MB, attempt)


def labeling_minutes(wildcards, input, attempt):
    return minutes(frames_at(input) / DRAWN_PER_S, attempt)


def indexing_minutes(wildcards, input, attempt):
    return minutes(len(input.images) / CHECKSUMS_PER_S, attempt)


def data_minutes(wildcards, attempt):
    return minutes(3600, attempt)
