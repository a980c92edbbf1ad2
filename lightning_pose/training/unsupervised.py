"""The losses on unlabelled video of one training, made from its settings and labels.

Keypoints are compared in frame pixels: a box that follows the animal is no motion of the animal, and both
views of a mirror lie in one frame wherever the box is. The single-view PCA takes each pose less its own
centroid, see `lightning_pose.geometry.pca.centred_poses`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lightning_pose.data.augmentation import augmentation_of
from lightning_pose.data.clips import find_clips
from lightning_pose.data.frame_labels import labels_in_frame_px, labels_path
from lightning_pose.data.unlabeled import UnlabeledSequences, to_frame_px
from lightning_pose.geometry.heatmaps import soft_decode
from lightning_pose.geometry.pca import (
    Subspace,
    centred_poses,
    empirical_epsilon,
    fit_subspace,
    matched_views,
    reprojection_error,
)
from lightning_pose.geometry.warp import cells_to_frame, warp_heatmaps
from lightning_pose.losses import unsupervised
from lightning_pose.settings import Settings, SingleviewPcaLoss, UnsupervisedLoss
from lightning_pose.settings_checks import column_problems
from lightning_pose.types import Labels, Problem, UserError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predicted:
    """What a network predicts on T consecutive frames."""

    logits: torch.Tensor  # (T, K, h, w)
    model_to_frame: torch.Tensor  # (T, 3, 3)
    keypoints_model_px: torch.Tensor  # (T, K, 2)
    keypoints_frame_px: torch.Tensor  # (T, K, 2)
    confidence: torch.Tensor  # (T, K)


class PcaFit(nn.Module):
    """A subspace of the labels, and the error that costs nothing."""

    def __init__(self, subspace: Subspace, epsilon: float) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.components: torch.Tensor
        self.register_buffer("mean", subspace.mean.float(), persistent=False)
        self.register_buffer("components", subspace.components.float(), persistent=False)
        self.epsilon = epsilon

    def errors(self, points_frame_px: torch.Tensor) -> torch.Tensor:
        """Return distances from the subspace, (..., n), of points (..., n, 2)."""
        return reprojection_error(points_frame_px, Subspace(self.mean, self.components))


class UnsupervisedLosses(nn.Module):
    """All losses of ``model.losses_to_use``.

    It has no parameters, and nothing of it lies in a checkpoint: it is made anew from the same labels.

    Parameters
    ----------
    settings : everything.
    labels : those to train on, in image pixels; the PCA is fitted to them.
    stride : model pixels a heatmap cell.

    Raises
    ------
    UserError
        If the settings do not fit the labels, or too few labels are complete for a PCA.
    """

    def __init__(self, settings: Settings, labels: Labels, stride: int) -> None:
        super().__init__()
        self.names = [UnsupervisedLoss(name) for name in settings.model.losses_to_use or []]
        self.losses, self.anneal = settings.losses, settings.callbacks.anneal_weight
        self.stride, self.sigma = stride, settings.model.heatmap_sigma
        keypoints = len(labels.keypoint_names)
        _check_columns(settings, keypoints)
        self.columns = settings.data.columns_for_singleview_pca or list(range(keypoints))
        self.views = settings.data.mirrored_column_matches or []
        self.jump: torch.Tensor
        self.register_buffer("jump", _per_keypoint(settings, keypoints), persistent=False)
        self.fits = nn.ModuleDict()
        if not {UnsupervisedLoss.pca_singleview, UnsupervisedLoss.pca_multiview}.isdisjoint(self.names):
            self._fit(labels_in_frame_px(labels, labels_path(settings)))

    def _fit(self, labels: Labels) -> None:
        names = labels.keypoint_names
        if UnsupervisedLoss.pca_singleview in self.names:
            poses = centred_poses(labels.keypoints_px, self.columns)
            self._fit_one("pca_singleview", poses, [names[column] for column in self.columns])
        if UnsupervisedLoss.pca_multiview in self.names:
            matched = matched_views(labels.keypoints_px, self.views)
            points = [f"view {number + 1}" for number in range(len(self.views))]
            self._fit_one("pca_multiview", matched.reshape(-1, len(self.views), 2), points)

    def _fit_one(self, name: str, observations: np.ndarray, point_names: list[str]) -> None:
        own: SingleviewPcaLoss = getattr(self.losses, name)
        subspace = fit_subspace(observations, own.components_to_keep, point_names, f"losses.{name}")
        epsilon = own.epsilon
        if epsilon is None:
            share, times = own.empirical_epsilon_percentile, own.empirical_epsilon_multiplier
            epsilon = empirical_epsilon(observations, subspace, share, times)
        logger.info(
            "losses.%s: %d of %d components, epsilon %.2f px",
            name, len(subspace.components), len(subspace.mean), epsilon,
        )  # fmt: skip
        self.fits[name] = PcaFit(subspace, epsilon)

    def forward(
        self,
        logits: torch.Tensor | None,
        model_to_frame: torch.Tensor,
        decoded: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return the value of each loss, without its weight.

        Parameters
        ----------
        logits : tensor, (T, K, h, w)
            Of consecutive frames, in order; None if the network draws no heatmaps.
        model_to_frame : tensor, (T, 3, 3)
            Maps pixels of the network's images to frame pixels.
        decoded : tensors (T, K, 2) and (T, K)
            Keypoints in model pixels and confidence, differentiable; None = those of the heatmaps.
        """
        # bfloat16 has steps of four pixels in a large frame
        with torch.autocast(model_to_frame.device.type, enabled=False):
            return self._values(logits, model_to_frame, decoded)

    def _values(
        self,
        logits: torch.Tensor | None,
        model_to_frame: torch.Tensor,
        decoded: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        if decoded is None:
            assert logits is not None
            decoded = soft_decode(logits, self.stride)
        logits = decoded[0].new_empty(0) if logits is None else logits.float()
        keypoints_model_px, confidence = decoded[0].float(), decoded[1].detach()
        keypoints_frame_px = to_frame_px(keypoints_model_px, model_to_frame)
        predicted = Predicted(logits, model_to_frame, keypoints_model_px, keypoints_frame_px, confidence)
        compute: dict[UnsupervisedLoss, Callable[[Predicted], torch.Tensor]] = {
            UnsupervisedLoss.temporal: self._temporal,
            UnsupervisedLoss.temporal_heatmap_mse: partial(self._temporal_heatmap, "mse"),
            UnsupervisedLoss.temporal_heatmap_kl: partial(self._temporal_heatmap, "kl"),
            UnsupervisedLoss.pca_singleview: self._pca_singleview,
            UnsupervisedLoss.pca_multiview: self._pca_multiview,
            UnsupervisedLoss.unimodal_mse: partial(self._unimodal, "mse"),
            UnsupervisedLoss.unimodal_kl: partial(self._unimodal, "kl"),
        }
        return {name.value: compute[name](predicted) for name in self.names}

    def total(self, values: dict[str, torch.Tensor], epoch: int) -> torch.Tensor:
        """Return the weighted sum of `values` at an epoch: what upstream adds to its supervised loss."""
        factor = unsupervised.importance(epoch, self.anneal)
        weighted = [
            factor * unsupervised.weight(getattr(self.losses, name).log_weight) * value
            for name, value in values.items()
        ]
        return torch.stack(weighted).sum()

    def _temporal(self, predicted: Predicted) -> torch.Tensor:
        threshold = self.losses.temporal.prob_threshold
        return unsupervised.temporal(predicted.keypoints_frame_px, predicted.confidence, self.jump, threshold)

    def _temporal_heatmap(self, kind: str, predicted: Predicted) -> torch.Tensor:
        own = getattr(self.losses, f"temporal_heatmap_{kind}")
        loss = {"mse": unsupervised.temporal_heatmap_mse, "kl": unsupervised.temporal_heatmap_kl}[kind]
        logits = predicted.logits
        probabilities = F.softmax(logits.flatten(2), -1).view(logits.shape)
        to_frame = cells_to_frame(predicted.model_to_frame.double(), self.stride)
        following, inside = warp_heatmaps(probabilities[1:], torch.linalg.inv(to_frame[1:]) @ to_frame[:-1])
        confident = predicted.confidence >= own.prob_threshold
        return loss(probabilities[:-1], following, inside & confident[:-1] & confident[1:], own.epsilon)

    def _pca_singleview(self, predicted: Predicted) -> torch.Tensor:
        poses = centred_poses(predicted.keypoints_frame_px, self.columns)
        return self._pca("pca_singleview", poses, predicted.confidence[:, self.columns])

    def _pca_multiview(self, predicted: Predicted) -> torch.Tensor:
        matched = matched_views(predicted.keypoints_frame_px, self.views)
        in_views = torch.stack([predicted.confidence[:, view] for view in self.views], -1)
        lowest = in_views.amin(-1, keepdim=True)  # a part that one view does not show tells nothing
        return self._pca("pca_multiview", matched, lowest.expand(in_views.shape))

    def _pca(self, name: str, points_frame_px: torch.Tensor, confidence: torch.Tensor) -> torch.Tensor:
        own, fit = getattr(self.losses, name), self.fits[name]
        assert isinstance(fit, PcaFit)
        return unsupervised.pca(fit.errors(points_frame_px), confidence, fit.epsilon, own.prob_threshold)

    def _unimodal(self, kind: str, predicted: Predicted) -> torch.Tensor:
        own = getattr(self.losses, f"unimodal_{kind}")
        return unsupervised.unimodal(
            kind,
            predicted.logits,
            predicted.keypoints_model_px,
            predicted.confidence,
            self.stride,
            self.sigma,
            own.epsilon,
            own.prob_threshold,
        )


def build_sequences(settings: Settings, on_gpu: bool = False) -> UnlabeledSequences:
    """Find the unlabelled videos of a training and cut them into sequences.

    Raises
    ------
    UserError
        Everything wrong with the videos and their boxes.
    """
    training, dims = settings.training, settings.data.image_resize_dims
    return UnlabeledSequences(
        find_clips(settings),
        dims.height,
        dims.width,
        settings.dali.base.train.sequence_length,
        augmentation_of(training),
        100_003 * training.rng_seed_data_pt + training.rng_seed_model_pt,
        settings.dali.library,
        on_gpu,
        max(training.num_workers or 0, 1),
    )


def _check_columns(settings: Settings, keypoints: int) -> None:
    problems = [Problem(*problem) for problem in column_problems(settings.data, keypoints)]
    if problems:
        raise UserError(problems)


def _per_keypoint(settings: Settings, keypoints: int) -> torch.Tensor:
    epsilon = settings.losses.temporal.epsilon
    if isinstance(epsilon, list) and len(epsilon) != keypoints:
        expected = f"a number, or one for each of {keypoints} keypoints"
        raise UserError(Problem("losses.temporal.epsilon", expected, f"{len(epsilon)} numbers"))
    return torch.tensor(epsilon, dtype=torch.float32)
