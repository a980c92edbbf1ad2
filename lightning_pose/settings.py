"""Every setting, with its type, default and meaning: the one place where a default is written.

Sections and keys are those that users of Lightning Pose know. Members of an Enum are named as
they are written in YAML. `lightning_pose.config` loads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

VIDEO_BATCHES = 10  # least batches of an epoch of a training with unlabelled video


class ModelType(str, Enum):
    """What the head predicts."""

    heatmap = "heatmap"
    regression = "regression"
    heatmap_mhcrnn = "heatmap_mhcrnn"


def takes_context(model_type: ModelType) -> bool:
    """Say whether a network of this type sees the neighbours in time of each labelled frame."""
    return model_type is ModelType.heatmap_mhcrnn


class HeatmapLoss(str, Enum):
    """Distance between predicted and target heatmaps."""

    mse = "mse"
    kl = "kl"
    js = "js"


class Weights(str, Enum):
    """Where a backbone's first weights come from."""

    auto = "auto"
    packaged = "packaged"
    pretrained = "pretrained"
    random = "random"


class Precision(str, Enum):
    """Number format of the network's arithmetic."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class RuntimeName(str, Enum):
    """What computes the network when it predicts, and in which number format.

    ``mixed`` is the backbone in bfloat16, head and decoding in float32; ``bf16`` is the head in bfloat16 too;
    otherwise all is float32.
    """

    auto = "auto"
    torch = "torch"
    torch_mixed = "torch_mixed"
    torch_bf16 = "torch_bf16"
    openvino = "openvino"
    openvino_mixed = "openvino_mixed"
    openvino_bf16 = "openvino_bf16"


class Optimizer(str, Enum):
    """Optimizers by their torch names."""

    Adam = "Adam"
    AdamW = "AdamW"


class Schedule(str, Enum):
    """Learning-rate schedules."""

    multisteplr = "multisteplr"
    cosine = "cosine"


class VideoLibrary(str, Enum):
    """What decodes videos."""

    auto = "auto"
    pyav = "pyav"
    opencv = "opencv"
    dali = "dali"


class UnsupervisedLoss(str, Enum):
    """Losses on unlabelled video."""

    temporal = "temporal"
    temporal_heatmap_mse = "temporal_heatmap_mse"
    temporal_heatmap_kl = "temporal_heatmap_kl"
    pca_singleview = "pca_singleview"
    pca_multiview = "pca_multiview"
    unimodal_mse = "unimodal_mse"
    unimodal_kl = "unimodal_kl"


class Average(str, Enum):
    """How an ensemble's keypoints follow from its members'."""

    mean = "mean"
    median = "median"
    confidence_weighted = "confidence_weighted"


class DataSource(str, Enum):
    """How the workflow makes a data folder."""

    demo = "demo"
    dlc = "dlc"


@dataclass
class ImageDims:
    """Height and width in pixels."""

    height: int = 256  # pixels
    width: int = 256  # pixels


@dataclass
class DataSettings:
    """What to train on."""

    image_resize_dims: ImageDims = field(default_factory=ImageDims)  # of the network's input
    data_dir: str = "data"  # folder that image paths are relative to
    csv_file: str = "CollectedData.csv"  # labels; a name in data_dir, or a path
    num_keypoints: int | None = None  # null = as many as the labels have
    keypoint_names: list[str] | None = None  # null = those of the labels
    skeleton: list[Any] = field(default_factory=list)  # pairs of keypoint names, for drawing
    downsample_factor: int = 2  # a heatmap cell is 2**downsample_factor pixels of the network's input
    video_dir: Any = None  # unlabelled videos: a folder or a list of files, here or in data_dir
    bbox_dir: str | None = None  # folder with <video>/bbox.csv or <video stem>_bbox.csv: their crops train
    mirrored_column_matches: list[Any] | None = None  # pca_multiview: keypoint numbers of each view
    columns_for_singleview_pca: list[int] | None = None  # pca_singleview, centred poses: numbers; null = all


@dataclass
class OptimizerParams:
    """Numbers of the optimizer."""

    learning_rate: float = 1e-3  # the head's, at its highest
    weight_decay: float | None = None  # null = torch's own: 0.01 with AdamW, 0 (L2) with Adam
    backbone_factor: float = 1.0  # the backbone's learning rate as a share of the head's


@dataclass
class MultiStepParams:
    """The learning rate is multiplied by gamma at each milestone."""

    milestones: list[int] = field(default_factory=lambda: [150, 200, 250])  # epochs
    milestone_steps: list[int] | None = None  # steps, instead
    gamma: float = 0.5  # factor at each milestone
    warmup: float = 0.0  # share of the steps with a linear rise before


@dataclass
class CosineParams:
    """Linear warm-up for a share of the steps, then half a cosine down to zero."""

    warmup: float = 0.05  # share of the steps


@dataclass
class ScheduleParams:
    """Numbers of the schedules."""

    multisteplr: MultiStepParams = field(default_factory=MultiStepParams)
    cosine: CosineParams = field(default_factory=CosineParams)


@dataclass
class TrainingSettings:
    """How to train."""

    imgaug: Any = "dlc"  # a pipeline, {pipeline: name, rotation: degrees, ...} or {Fliplr: {p: 0.5}, ...}
    imgaug_hflip: bool = False  # mirror half of the images; keypoints of left and right change places
    train_batch_size: int = 16  # images a step
    val_batch_size: int = 32  # images at a time in validation
    test_batch_size: int = 32  # images at a time in prediction
    train_prob: float = 0.95  # share of the labelled frames to train on
    val_prob: float = 0.05  # share to validate on; the rest is for tests
    train_frames: float = 1.0  # up to 1: share of the training frames; above: their number
    num_gpus: int = 1  # GPUs that share each batch; without a GPU the CPU trains
    accumulate_grad_batches: int = 1  # batches whose mean gradient one step takes
    gradient_clip_val: float | None = None  # largest norm of the gradient of a step
    ema_decay: float | None = None  # of a moving average of the weights, which then is the model; about 0.99
    compile: bool = False  # translate the network with torch.compile first; where that fails, go on without
    num_workers: int | None = None  # processes that load images; null = none, but threads beside a GPU
    early_stopping: bool = False  # end once validation has stalled
    early_stop_patience: int = 3  # validations without gain until then
    unfreezing_epoch: int = 0  # the backbone learns from this epoch on
    unfreezing_step: int | None = None  # the same in steps, instead
    min_epochs: int = 300  # early stopping ends no training before
    max_epochs: int = 300  # where a training ends
    min_steps: int | None = None  # steps instead of min_epochs
    max_steps: int | None = None  # steps instead of max_epochs
    log_every_n_steps: int = 10  # steps between points of the training curves
    check_val_every_n_epoch: int = 5  # epochs between validations
    val_check_interval: int | None = None  # steps between validations, instead
    uniform_heatmaps_for_nan_keypoints: bool = False  # flat targets for empty cells, without `visible`
    ckpt_every_n_epochs: int | None = None  # epochs between weights kept in checkpoints/; null = none
    checkpoint_every_s: float = 30.0  # seconds between states that an interrupted training goes on from
    rng_seed_data_pt: int = 0  # of the split into training, validation and test frames
    rng_seed_model_pt: int = 0  # of first weights, order and augmentation
    optimizer: Optimizer = Optimizer.Adam  # by its torch name
    optimizer_params: OptimizerParams = field(default_factory=OptimizerParams)
    lr_scheduler: Schedule = Schedule.multisteplr  # how the learning rate falls
    lr_scheduler_params: ScheduleParams = field(default_factory=ScheduleParams)
    precision: Precision = (
        Precision.auto
    )  # of training; auto: bf16 if there are units for it; fp16 needs a GPU


@dataclass
class ModelSettings:
    """Which network to train."""

    backbone: str = "tf_efficientnet_lite0"  # any name that timm knows
    weights: Weights = Weights.auto  # auto: packaged where a package has them, else pretrained
    backbone_checkpoint: str | None = None  # a file of the backbone's first weights, instead
    checkpoint: str | None = None  # a trained model to start from: its folder, or a file of weights
    model_type: ModelType = ModelType.heatmap  # what the head predicts; heatmap_mhcrnn sees five frames
    heatmap_loss_type: HeatmapLoss = HeatmapLoss.mse  # distance of predicted and target heatmaps
    losses_to_use: list[str] | None = None  # losses on unlabelled video, by their names under `losses`
    freeze_stages: int = 0  # how many of the backbone's first stages keep their first weights
    freeze_batch_norm: bool | None = None  # null: yes, unless the weights are random
    head_channels: int = 64  # width of the head of heatmaps
    heatmap_sigma: float = 1.25  # of the target Gaussian, in heatmap cells


@dataclass
class InferenceSettings:
    """How a trained model predicts."""

    runtime: RuntimeName = RuntimeName.auto  # auto: torch for images, the fastest that is exact for videos


@dataclass
class SequenceSettings:
    """Stretches of unlabelled video."""

    sequence_length: int = 32  # consecutive frames that a step learns from


@dataclass
class VideoBase:
    """Video for networks without context."""

    train: SequenceSettings = field(default_factory=SequenceSettings)


@dataclass
class VideoSettings:
    """How videos are read."""

    library: VideoLibrary = VideoLibrary.auto  # auto: PyAV; dali: on a GPU
    base: VideoBase = field(default_factory=VideoBase)


@dataclass
class TemporalLoss:
    """Keypoints move little from frame to frame."""

    log_weight: float = 5.0  # the weight is 1 / (2 exp(log_weight))
    epsilon: Any = 20.0  # frame pixels that cost nothing; a number, or one a keypoint
    prob_threshold: float = 0.05  # keypoints of lower confidence do not count


@dataclass
class HeatmapSequenceLoss:
    """Heatmaps change little from frame to frame."""

    log_weight: float = 5.0  # the weight is 1 / (2 exp(log_weight))
    epsilon: float = 0.0  # difference that costs nothing
    prob_threshold: float = 0.05  # keypoints of lower confidence do not count


@dataclass
class SingleviewPcaLoss:
    """Poses about their centroid lie near those of the labels, wherever the animal is."""

    log_weight: float = 5.0  # the weight is 1 / (2 exp(log_weight))
    components_to_keep: float = 0.99  # below 1: share of the labels' variance; else number of components
    epsilon: float | None = None  # frame pixels that cost nothing; null = as the labels' own error says
    empirical_epsilon_percentile: float = 0.99  # share of the labels' errors that then cost nothing
    empirical_epsilon_multiplier: float = 1.0  # times that error
    prob_threshold: float = 0.05  # keypoints of lower confidence do not count


@dataclass
class MultiviewPcaLoss(SingleviewPcaLoss):
    """Views of one body part fit to one point in space."""

    components_to_keep: float = 3  # below 1: share of the labels' variance; else number of components


@dataclass
class UnimodalLoss:
    """Each heatmap is a single Gaussian about its own keypoint."""

    log_weight: float = 5.0  # the weight is 1 / (2 exp(log_weight))
    epsilon: float = 0.0  # difference that costs nothing
    prob_threshold: float = 0.05  # keypoints of lower confidence do not count


@dataclass
class LossSettings:
    """Losses on unlabelled video, for `model.losses_to_use`."""

    temporal: TemporalLoss = field(default_factory=TemporalLoss)
    temporal_heatmap_mse: HeatmapSequenceLoss = field(default_factory=HeatmapSequenceLoss)
    temporal_heatmap_kl: HeatmapSequenceLoss = field(default_factory=HeatmapSequenceLoss)
    pca_singleview: SingleviewPcaLoss = field(default_factory=SingleviewPcaLoss)
    pca_multiview: MultiviewPcaLoss = field(default_factory=MultiviewPcaLoss)
    unimodal_mse: UnimodalLoss = field(default_factory=UnimodalLoss)
    unimodal_kl: UnimodalLoss = field(default_factory=UnimodalLoss)


@dataclass
class AnnealWeight:
    """How the losses on unlabelled video gain weight."""

    init_val: float = 0.0  # factor of their weights at first
    increase_factor: float = 0.01  # what it gains each epoch
    final_val: float = 1.0  # where it stays
    freeze_until_epoch: int = 0  # it stays at init_val up to this epoch


@dataclass
class CallbackSettings:
    """What changes in the course of a training."""

    anneal_weight: AnnealWeight = field(default_factory=AnnealWeight)


@dataclass
class EvalSettings:
    """Videos after a training, and how predictions are drawn into videos."""

    predict_vids_after_training: bool = True  # on those in test_videos_directory, where that is set
    test_videos_directory: str | None = None  # a folder of videos; here, or in data_dir
    save_vids_after_training: bool = False  # draw the predictions into those videos
    confidence_thresh_for_vid: float = 0.9  # keypoints below are not drawn into videos


@dataclass
class WorkflowData:
    """How the workflow makes the data folder."""

    source: DataSource | None = None  # null: the user brings the data
    project_dir: str | None = None  # dlc: the folder of the DeepLabCut project
    ood_start: int | None = None  # dlc: the first frame of the OOD set
    ind_frames: int = 240  # demo: labelled frames in distribution
    ood_frames: int = 120  # demo: labelled frames out of distribution
    video_frames: int = 300  # demo: frames of each video
    seed: int = 0  # demo: the same seed draws the same data


@dataclass
class BoxSettings:
    """How boxes are placed around the animal; from `window` on: how they move through a video."""

    min_confidence: float = 0.05  # keypoints below are not looked at
    min_size: int = 8  # least side of a box in frame pixels
    fixed_size: int | None = None  # side of every box in frame pixels, instead of by crop ratio
    window: int = 9  # frames of a video whose median is a box, half of them ahead; odd, 1 = none
    max_speed: float | None = 1.0  # box sides a frame; the detector is not believed beyond; null = always
    min_cutoff: float | None = 0.05  # one-euro filter: cycles a frame that pass at rest; null = no filter
    beta: float = 4.0  # one-euro filter: what speed adds to them, at one box side a frame
    detect_every: int = 1  # frames from one look of the detector to the next; 0 = as speed allows


@dataclass
class EnsembleSettings:
    """How the predictions of several models are joined to one."""

    average: Average = Average.mean  # of x and of y over the members
    variances: bool = True  # whether predictions have columns x_ens_var and y_ens_var
    pooled: dict[str, list[str]] = field(default_factory=dict)  # name -> kinds that are one ensemble
    smooth_param: float | None = None  # of videos, less is smoother; null = the most likely for each keypoint
    fit_frames: int | None = 2000  # of a video, from the first: decide what is most likely; null = all


@dataclass
class PlotSettings:
    """Looks of the plots."""

    colors: dict[str, str] = field(default_factory=dict)  # kind -> hex colour


@dataclass
class WorkflowSettings:
    """What the DAG needs beyond a single training."""

    data: WorkflowData = field(default_factory=WorkflowData)
    ind_csv: str | None = None  # labels to train on and, held out, to test on; a name in data_dir
    ood_csv: str | None = None  # labels of animals and sessions never seen, if any; a name in data_dir
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])  # one ensemble member each
    crop_ratios: list[float] = field(default_factory=lambda: [1.8])  # side of the box over the animal's span
    anchor_keypoints: list[str] = field(default_factory=list)  # that the box is placed around; none = all
    crop_size: ImageDims = field(default_factory=ImageDims)  # of the cropped images
    boxes: BoxSettings = field(default_factory=BoxSettings)  # how boxes are placed
    detector: dict[str, Any] = field(default_factory=dict)  # settings of detectors, over the file's own
    pose: dict[str, Any] = field(default_factory=dict)  # settings of pose models, over the file's own
    train_frames: list[float] = field(default_factory=list)  # further models by training.train_frames
    variants: dict[str, Any] = field(default_factory=dict)  # name -> {model: single|pose, settings: {...}}
    external: dict[str, Any] = field(default_factory=dict)  # kind -> {ind: [csv, ...], ood: [csv, ...]}
    default_target: bool = True  # whether `snakemake` without a target makes this data set's plots
    videos: list[str] = field(default_factory=list)  # to predict on; here, in data_dir, or s3://...
    shard_frames: int | None = None  # frames of a video that one job predicts on; null = all
    ensemble: EnsembleSettings = field(
        default_factory=EnsembleSettings
    )  # over seeds, and over kinds by choice
    plots: PlotSettings = field(default_factory=PlotSettings)


@dataclass
class Settings:
    """The whole tree."""

    data: DataSettings = field(default_factory=DataSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    dali: VideoSettings = field(default_factory=VideoSettings)
    losses: LossSettings = field(default_factory=LossSettings)
    callbacks: CallbackSettings = field(default_factory=CallbackSettings)
    eval: EvalSettings = field(default_factory=EvalSettings)
    workflow: WorkflowSettings = field(default_factory=WorkflowSettings)
