"""Train a network from settings and labels, and leave a model folder."""

from __future__ import annotations

import contextlib
import logging
import shutil
import signal
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher
from torch.multiprocessing import ProcessRaisedException

from lightning_pose.config import to_yaml
from lightning_pose.data.augmentation import Augmentation, augmentation_of
from lightning_pose.data.dataset import select_rows, with_visibility
from lightning_pose.data.sampling import batches_per_epoch
from lightning_pose.data.unlabeled import UnlabeledSequences
from lightning_pose.geometry.sides import mirror_order, without_partner
from lightning_pose.io.files import read_json, write_atomic, write_json
from lightning_pose.io.model_dir import CONFIG_FILE, ORIGIN_FILE, WEIGHTS_FILE, read_splits
from lightning_pose.machine import reuse_memory
from lightning_pose.models.build import build_network
from lightning_pose.models.hardware import compile_network, pick_device, resolve_precision, set_threads
from lightning_pose.models.weights_file import read_state
from lightning_pose.settings import VIDEO_BATCHES, Precision, Settings, TrainingSettings
from lightning_pose.traces import note_fact, note_images
from lightning_pose.training.callbacks.curves import Curves
from lightning_pose.training.callbacks.finite import LAST_GOOD, FiniteLoss
from lightning_pose.training.callbacks.progress import STATUS_FILE, ProgressReport, end_status
from lightning_pose.training.callbacks.resume import FOLDER as CHECKPOINTS
from lightning_pose.training.callbacks.resume import Checkpoints
from lightning_pose.training.callbacks.validation import Validation
from lightning_pose.training.data import TrainingData, assign_splits, write_splits
from lightning_pose.training.module import Plan, PoseModule
from lightning_pose.training.origin import origin_of
from lightning_pose.training.unsupervised import UnsupervisedLosses, build_sequences
from lightning_pose.types import Labels, Problem, Split, UserError

logger = logging.getLogger(__name__)

FOLLOWED = "followed"  # in checkpoints/, while what follows a finished training, as predictions, is not done
TRAINER_PRECISION = {Precision.fp32: "32-true", Precision.bf16: "bf16-mixed", Precision.fp16: "16-mixed"}
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def fit(
    settings: Settings,
    labels: Labels,
    output_dir: Path,
    keeps_finished: bool = False,
    is_followed: bool = False,
) -> None:
    """Train and write ``config.yaml``, ``splits.json``, ``tb_logs/`` and, last, ``model.safetensors``.

    An interrupted training of the same settings, labels and images goes on where it stopped.

    Parameters
    ----------
    settings : everything; the data folder is ``settings.data.data_dir``.
    labels : all labelled images, to be split here; keypoints in image pixels.
    output_dir : the model folder.
    keeps_finished : leave a finished training of the same settings, labels, images and code as it is;
        ``config.yaml`` then gets the settings that no weights depend on.
    is_followed : the training is not all, as predictions follow: until `end_following`, the same training is
        kept as it is, and a signal that came too late to stop it ends the process.

    Raises
    ------
    UserError
        If the network cannot be built, before anything of an earlier training is touched; if the memory is
        too small or the loss is no number any more.
    """
    names = labels.keypoint_names
    settings = replace(settings, data=replace(settings.data, keypoint_names=names, num_keypoints=len(names)))
    training = settings.training
    labels = with_visibility(labels, training.uniform_heatmaps_for_nan_keypoints)
    origin = origin_of(settings, labels, Path(settings.data.data_dir))
    if (keeps_finished or _mark(output_dir).is_file()) and _is_finished(output_dir, origin):
        _mend_folder(output_dir, settings, labels)
        logger.info("%s is trained already, by the same settings, labels, images and code", output_dir)
        return
    set_threads()
    reuse_memory()
    note_images(settings.data.data_dir, labels.image_paths)
    note_fact("seeds", {"model": training.rng_seed_model_pt, "data": training.rng_seed_data_pt})
    pl.seed_everything(training.rng_seed_model_pt, workers=True, verbose=False)
    device, processes = pick_device(), count_processes(training)
    precision = resolve_precision(training.precision, device)
    network = build_network(settings, len(names))
    augmentation = augmentation_of(training)
    _warn_of_lone_sides(names, augmentation)
    splits = assign_splits(labels, training)
    plan = make_plan(training, splits.count(Split.TRAIN), processes, bool(settings.model.losses_to_use))
    unsupervised, sequences = _on_video(settings, labels, splits, device)
    data = TrainingData(settings, labels, splits, augmentation, sequences)
    validation = Validation(training, plan, data.validation_loader, output_dir / WEIGHTS_FILE)
    if training.early_stopping and validation.earliest_end >= plan.steps:
        logger.warning(
            "training.early_stopping: without effect, since no training of %d steps ends before step %d "
            "(training.min_epochs, training.min_steps)", plan.steps, validation.earliest_end,
        )  # fmt: skip
    every = training.ckpt_every_n_epochs
    checkpoints = Checkpoints(
        output_dir / CHECKPOINTS,
        origin,
        validation,
        training.checkpoint_every_s,
        None if every is None else plan.steps_of(every),
    )
    _prepare_folder(output_dir, settings, is_new=checkpoints.state is None)
    write_splits(labels, splits, output_dir)
    module = PoseModule(network, settings.model, training, plan, len(names), unsupervised)
    module.start = checkpoints.batches
    data.plan(plan.batches, module.start)
    if checkpoints.state is not None:
        validation.load_state_dict(checkpoints.state["validation"])
        logger.info("going on from step %d of %d", module.start // plan.accumulate, plan.steps)
    logger.info(
        "training on %d images, validating on %d, %d steps",
        splits.count(Split.TRAIN), splits.count(Split.VALIDATION), plan.steps,
    )  # fmt: skip
    if training.compile:
        dims = settings.data.image_resize_dims
        compile_network(network, (dims.height, dims.width), device)
    logger.info("device %s, precision %s, %d threads", device, precision.value, torch.get_num_threads())
    callbacks = [
        FiniteLoss(data.train_set.labels.image_paths, validation, output_dir / LAST_GOOD),
        validation,
        Curves(output_dir / "tb_logs", training.log_every_n_steps, validation, names),
        ProgressReport(output_dir / STATUS_FILE, validation),
        checkpoints,  # last: what stops a training here has been reported
    ]
    trainer = _trainer(training, plan, module.start, precision, device, processes, callbacks)
    with _explained_memory_errors(settings), _told_of_end(trainer, output_dir), _ended_as_one(trainer):
        trainer.fit(module, data)
    if is_followed:
        _mark(output_dir).parent.mkdir(exist_ok=True)
        _mark(output_dir).touch()
    write_json(origin, output_dir / ORIGIN_FILE)
    if settings.model.checkpoint is None or Path(settings.model.checkpoint).name != LAST_GOOD:
        (output_dir / LAST_GOOD).unlink(missing_ok=True)  # of a training that diverged, before this one
    if is_followed:
        checkpoints.leave_if_asked()


def end_following(output_dir: Path) -> None:
    """Note that what follows a training is done, too."""
    _mark(output_dir).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # none, or one with weights that are kept
        _mark(output_dir).parent.rmdir()


def _mark(output_dir: Path) -> Path:
    return output_dir / CHECKPOINTS / FOLLOWED


def _is_finished(output_dir: Path, origin: dict[str, str]) -> bool:
    """Say whether a training that depends on the same is done, and its weights are whole."""
    if not (output_dir / WEIGHTS_FILE).is_file() or read_json(output_dir / ORIGIN_FILE) != origin:
        return False
    try:
        read_state(output_dir / WEIGHTS_FILE, "")
    except UserError as error:
        logger.warning("%s: trained again", error)
        return False
    return True


def _on_video(
    settings: Settings, labels: Labels, splits: list[Split], device: torch.device
) -> tuple[UnsupervisedLosses, UnlabeledSequences] | tuple[None, None]:
    """Build the losses on unlabelled video, and what they see."""
    if not settings.model.losses_to_use:
        return None, None
    rows = [row for row, split in enumerate(splits) if split is Split.TRAIN]
    stride = 2**settings.data.downsample_factor
    losses = UnsupervisedLosses(settings, select_rows(labels, rows), stride)
    return losses, build_sequences(settings, on_gpu=device.type == "cuda")


def count_processes(training: TrainingSettings) -> int:
    """Return the number of GPUs to train on, 1 without any.

    Raises
    ------
    UserError
        If more are asked for than there are, or than a batch has images.
    """
    there = torch.cuda.device_count()
    if training.num_gpus > 1 and training.num_gpus > there:
        raise UserError(Problem("training.num_gpus", f"at most {max(there, 1)}", str(training.num_gpus)))
    if there and training.num_gpus > training.train_batch_size:
        expected = f"at most training.train_batch_size, {training.train_batch_size}, images for each"
        raise UserError(Problem("training.num_gpus", expected, str(training.num_gpus)))
    return max(training.num_gpus, 1) if there else 1


def make_plan(training: TrainingSettings, images: int, processes: int, sees_video: bool = False) -> Plan:
    """Say how many steps a training has: ``max_steps``, or those of ``max_epochs``.

    With unlabelled video an epoch has `VIDEO_BATCHES` batches or more, as upstream's has, however few images
    are labelled.
    """
    batches = batches_per_epoch(images, training.train_batch_size, processes)
    plan = Plan(
        steps=1,
        batches_per_epoch=max(batches, VIDEO_BATCHES if sees_video else 1),
        accumulate=training.accumulate_grad_batches,
    )
    return replace(plan, steps=training.max_steps or plan.steps_of(training.max_epochs))


def _prepare_folder(output_dir: Path, settings: Settings, is_new: bool) -> None:
    output_dir.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, ORIGIN_FILE):
        (output_dir / name).unlink(missing_ok=True)
    if is_new:  # curves, status and weights of another training
        (output_dir / STATUS_FILE).unlink(missing_ok=True)
        shutil.rmtree(output_dir / "tb_logs", ignore_errors=True)
        shutil.rmtree(output_dir / CHECKPOINTS, ignore_errors=True)
    _write_config(output_dir, settings)


def _mend_folder(output_dir: Path, settings: Settings, labels: Labels) -> None:
    """Write what a finished training lacks besides its weights, and settings that these do not depend on."""
    config = output_dir / CONFIG_FILE
    if not config.is_file() or config.read_bytes() != to_yaml(settings).encode():
        _write_config(output_dir, settings)
    try:
        read_splits(output_dir)
    except UserError:
        write_splits(labels, assign_splits(labels, settings.training), output_dir)


def _write_config(output_dir: Path, settings: Settings) -> None:
    with write_atomic(output_dir / CONFIG_FILE) as temporary:
        temporary.write_text(to_yaml(settings))


def _warn_of_lone_sides(names: list[str], augmentation: Augmentation) -> None:
    if not (augmentation.flip_horizontal or augmentation.flip_vertical):
        return
    if (mirror_order(names) == np.arange(len(names))).all():
        logger.warning(
            "training.imgaug: images are mirrored, and no keypoint changes sides: %s. If the animal has "
            "sides, name them ..._left and ..._right, or leave out the flips",
            ", ".join(names),
        )
    alone = without_partner(names)
    if alone:
        logger.warning(
            "training.imgaug: a flip takes %s for the keypoint of the other side, which there is none of",
            ", ".join(alone),
        )


def _trainer(
    training: TrainingSettings,
    plan: Plan,
    start: int,
    precision: Precision,
    device: torch.device,
    processes: int,
    callbacks: list[Callback],
) -> pl.Trainer:
    """Build a trainer of one long epoch: the batches that are left."""
    for message in (
        ".*does not have many workers.*",
        ".*in eval mode at the start of training",  # frozen batch norm
        ".*LeafSpec.* is deprecated",
        "Total length of `DataLoader`",
        "The `srun` command is available",  # it is the workflow that submits
    ):
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    unfreezes = training.unfreezing_epoch > 0 or training.unfreezing_step is not None
    several = DDPStrategy(start_method="spawn", find_unused_parameters=unfreezes)
    return pl.Trainer(
        max_epochs=1,
        max_steps=plan.steps - start // plan.accumulate,
        accumulate_grad_batches=plan.accumulate,
        gradient_clip_val=training.gradient_clip_val,
        limit_val_batches=0,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=processes,
        strategy=several if processes > 1 else "auto",
        plugins=[LightningEnvironment()],  # the cluster's own scheduler has no say inside a job
        precision=TRAINER_PRECISION[precision],  # type: ignore[arg-type]
        callbacks=callbacks,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )


@contextlib.contextmanager
def _ended_as_one(trainer: pl.Trainer) -> Iterator[None]:
    """End all processes of a training when one is ended or fails, and say why as if it were the only one.

    The others would go on until the training is done; a failure of theirs comes as the text of a traceback.
    """
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # Lightning's exit code is 1
            raise error.__context__ from None
        raise
    except ProcessRaisedException as error:
        text = str(error)
        if any(reason in text.lower() for reason in OUT_OF_MEMORY):
            raise RuntimeError(text) from None
        _, is_ours, message = text.rpartition(f"{UserError.__module__}.{UserError.__name__}: ")
        if not is_ours:
            raise
        where, _, rest = message.strip().partition(": expected ")
        raise UserError(Problem(where, *rest.split(", found ", 1))) from None
    finally:
        if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
            trainer.strategy.launcher.kill(signal.SIGKILL)


@contextlib.contextmanager
def _told_of_end(trainer: pl.Trainer, output_dir: Path) -> Iterator[None]:
    """Have the status tell that a training of several processes failed, or was interrupted.

    The one that writes it may have been ended by another's failure.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
            end_status(output_dir / STATUS_FILE, error)
        raise


@contextlib.contextmanager
def _explained_memory_errors(settings: Settings) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch's OutOfMemoryError is one, NumPy's is another
        if not isinstance(error, MemoryError) and not any(
            text in str(error).lower() for text in OUT_OF_MEMORY
        ):
            raise
        dims, training = settings.data.image_resize_dims, settings.training
        expected = (
            "memory enough to train (lower training.train_batch_size, with accumulate_grad_batches in its "
            "place, or data.image_resize_dims)"
        )
        found = f"too little for {training.train_batch_size} images of {dims.height}x{dims.width}"
        raise UserError(Problem(f"training with {settings.model.backbone}", expected, found)) from None
