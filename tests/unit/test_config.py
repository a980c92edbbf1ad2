"""Settings: what loads, and what is refused with its full key."""

from pathlib import Path

import pytest

from lightning_pose.config import load_config, override, to_yaml
from lightning_pose.types import UserError

ROOT = Path(__file__).parents[2]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("config", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
@pytest.mark.parametrize("kind", [None, "detector", "pose"])
def test_every_shipped_config_loads(config: Path, kind: str | None) -> None:
    assert load_config(config, kind=kind).workflow.seeds


def test_complete_settings_read_back_the_same(tmp_path: Path) -> None:
    settings = load_config(ROOT / "config" / "chickadee.yaml", ["training.max_steps=7"], "pose")
    again = load_config(write(tmp_path / "config.yaml", to_yaml(settings)))
    assert again == settings
    assert again.training.max_steps == 7


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("training: {max_epoch: 3}", "training.max_epoch", "did you mean max_epochs?"),
        ("training: {lr: 1}", "training.lr", "did you mean lr_scheduler?"),
        ("data: {resize: 1}", "data.resize", "did you mean image_resize_dims?"),
        ("training: {learning_rate: 1}", "training.learning_rate", "learning_rate (known: "),
        ("trainning: {max_epochs: 3}", "trainning", "did you mean training?"),
        ("training: {train_prob: abc}", "training.train_prob", "abc"),
        ("training: {train_prob: 1.5}", "training.train_prob", "1.5"),
        ("training: {max_steps: 1.5}", "training.max_steps", "expected a whole number, or null, found 1.5"),
        ("training: {gradient_clip_val: x}", "training.gradient_clip_val", "expected a number, or null"),
        ("training: {train_frames: 1.5}", "training.train_frames", "a whole number, found 1.5"),
        ("workflow: {train_frames: [20, 50.5]}", "workflow.train_frames", "found [20.0, 50.5]"),
        ("training: {train_frames: .inf}", "training.train_frames", "found inf"),
        ("training: {train_frames: .nan}", "training.train_frames", "found nan"),
        ("training: {optimizer_params: {learning_rate: .nan}}", "optimizer_params.learning_rate", "nan"),
        ("training: {optimizer_params: {weight_decay: .nan}}", "optimizer_params.weight_decay", "nan"),
        ("training: {optimizer_params: {backbone_factor: .inf}}", "optimizer_params.backbone_factor", "inf"),
        ("training: {lr_scheduler_params: {multisteplr: {gamma: -0.5}}}", "multisteplr.gamma", "-0.5"),
        ("training: {unfreezing_step: -1}", "training.unfreezing_step", "at least 0, or null, found -1"),
        ("training: {min_epochs: -1}", "training.min_epochs", "at least 0, found -1"),
        ("callbacks: {anneal_weight: {final_val: .nan}}", "callbacks.anneal_weight.final_val", "nan"),
        ("data: {image_resize_dims: {height: 100}}", "data.image_resize_dims.height", "100"),
        ("data: {keypoint_names: [a, a]}", "data.keypoint_names", "a twice"),
        ("data: {keypoint_names: [a, bbox]}", "data.keypoint_names", "other names than bbox and set"),
        ("data: {keypoint_names: [a, b], num_keypoints: 3}", "data.num_keypoints", "3"),
        ("training: {optimizer: SGDX}", "training.optimizer", "SGDX"),
        ("workflow: {pose: {training: {max_step: 3}}}", "workflow.pose: training.max_step", "max_steps"),
        ("workflow: {seeds: [0, 0]}", "workflow.seeds", "[0, 0]"),
        ("workflow: {seeds: [202611281430]}", "workflow.seeds", "from 0 to 4294967295"),
        ("training: {rng_seed_model_pt: 4294967296}", "training.rng_seed_model_pt", "at most 4294967295"),
        ("workflow: {crop_ratios: []}", "workflow.crop_ratios", "[]"),
        ("workflow: {crop_ratios: [1.8, 2.0, 1.80]}", "workflow.crop_ratios", "each ratio once"),
        ("workflow: {crop_ratios: [0.00001]}", "workflow.crop_ratios", "[1e-05]"),
        ("workflow: {crop_ratios: [.inf]}", "workflow.crop_ratios", "[inf]"),
        (
            "workflow: {ind_csv: a.csv, ood_csv: a.csv}",
            "workflow.ood_csv",
            "than workflow.ind_csv, found a.csv",
        ),
        ("workflow: {ind_csv: new/a.csv}", "workflow.ind_csv", "new/a.csv"),
        ("workflow: {ood_csv: a.CSV}", "workflow.ood_csv", "a.CSV"),
        ("workflow: {external: {dlc: a.csv}}", "workflow.external.dlc", "'a.csv'"),
        ("workflow: {external: {dlc: {ind: [a], ood: b}}}", "workflow.external.dlc", "'b'"),
        ("workflow: {external: {dlc: {ind: [a, b], ood: [c]}}}", "workflow.external.dlc", "found 1"),
        ("workflow: {external: {single: {ind: [a], ood: [c]}}}", "workflow.external.single", "of ours"),
        ("workflow: {external: {a/b: {ind: [a], ood: [c]}}}", "workflow.external.a/b", "without /"),
        ("workflow: {ensemble: {pooled: {both: [single]}}}", "ensemble.pooled.both", "['single']"),
        ("workflow: {ensemble: {pooled: {a/b: [x, y]}}}", "ensemble.pooled.a/b", "a/b"),
        ("workflow: {videos: [a/x.mp4, b/x.mp4]}", "workflow.videos", "files of different names"),
        ("workflow: {videos: ['s3://a/x.mp4', x.mp4]}", "workflow.videos", "files of different names"),
        ("workflow: {videos: ['s3://a/x.mp4'], shard_frames: 9}", "workflow.videos", "found s3://a/x.mp4"),
        ("workflow: {boxes: {window: 4}}", "workflow.boxes.window", "an odd number of frames, found 4"),
        ("workflow: {boxes: {window: 0}}", "workflow.boxes.window", "0"),
        ("workflow: {boxes: {min_size: 0}}", "workflow.boxes.min_size", "at least 1, found 0"),
        ("workflow: {boxes: {fixed_size: -3}}", "workflow.boxes.fixed_size", "or null, found -3"),
        ("workflow: {boxes: {max_speed: 0}}", "workflow.boxes.max_speed", "or null, found 0"),
        ("workflow: {boxes: {min_cutoff: .nan}}", "workflow.boxes.min_cutoff", "nan"),
        ("workflow: {boxes: {beta: -1}}", "workflow.boxes.beta", "at least 0, found -1"),
        ("workflow: {boxes: {min_confidence: 2}}", "workflow.boxes.min_confidence", "2"),
        ("workflow: {data: {source: dlc}}", "workflow.data.project_dir", "none"),
        ("workflow: {plots: {colors: {single: red}}}", "workflow.plots.colors.single", "red"),
        ("workflow: {pose: {training: {max_steps: -3}}}", "workflow.pose: training.max_steps", "-3"),
        (
            "workflow: {pose: {workflow: {seeds: [1]}}}",
            "workflow.pose",
            "a mapping with data, training, model, dali, losses, callbacks",
        ),
        ("workflow: {detector: [1]}", "workflow.detector", "[1]"),
        ("workflow: {variants: [{name: a}]}", "workflow.variants", "[{'name': 'a'}]"),
        ("workflow: {variants: {few_frames: {settings: {}}}}", "workflow.variants.few_frames", "without _"),
        ("workflow: {variants: {a: {model: detector, settings: {}}}}", "variants.a.model", "single or pose"),
        ("workflow: {variants: {a: {settings: x}}}", "workflow.variants.a.settings", "'x'"),
        (
            "workflow: {variants: {a: {settings: {model: {bone: x}}}}}",
            "variants.a.settings: model.bone",
            "known",
        ),
        ("model: {losses_to_use: [temporl]}", "model.losses_to_use", "nearest: temporal"),
        ("model: {losses_to_use: [temporal, temporal]}", "model.losses_to_use", "each loss once"),
        ("model: {losses_to_use: [temporal]}", "data.video_dir", "none"),
        ("data: {video_dir: 3}", "data.video_dir", "3"),
        (
            "data: {video_dir: a}\nmodel: {losses_to_use: [pca_multiview]}",
            "data.mirrored_column_matches",
            "none",
        ),
        (
            "data: {num_keypoints: 4, mirrored_column_matches: [[0, 1], [2, 4]]}",
            "data.mirrored_column_matches",
            "keypoint numbers from 0 to 3, found 4",
        ),
        ("data: {mirrored_column_matches: [[0, 1], [2]]}", "mirrored_column_matches", "equal length"),
        ("data: {mirrored_column_matches: [[0, 1]]}", "mirrored_column_matches", "two views"),
        ("data: {mirrored_column_matches: [0, 1]}", "mirrored_column_matches", "one a view"),
        (
            "data: {mirrored_column_matches: [[0, 1], [1, 2]]}",
            "mirrored_column_matches",
            "each keypoint once",
        ),
        (
            "data: {keypoint_names: [a, b], columns_for_singleview_pca: [0, 2, -1]}",
            "data.columns_for_singleview_pca",
            "from 0 to 1, found 2, -1",
        ),
        ("data: {columns_for_singleview_pca: [1]}", "columns_for_singleview_pca", "two keypoints"),
        ("data: {columns_for_singleview_pca: [1, 1]}", "columns_for_singleview_pca", "each keypoint once"),
        ("losses: {temporal: {epsilon: [1, x]}}", "losses.temporal.epsilon", "x"),
        ("losses: {temporal: {prob_threshold: 2}}", "losses.temporal.prob_threshold", "2"),
        ("losses: {temporal: {log_wight: 2}}", "losses.temporal.log_wight", "did you mean log_weight?"),
        ("losses: {pca_singleview: {components_to_keep: 2.5}}", "pca_singleview.components_to_keep", "2.5"),
        ("losses: {temporal: {log_weight: 1000}}", "losses.temporal.log_weight", "1000"),
        ("dali: {base: {train: {sequence_length: 1}}}", "dali.base.train.sequence_length", "1"),
        ("dali: {library: ffmpeg}", "dali.library", "one of auto, pyav, opencv, dali"),
        ("eval: {confidence_thresh_for_vid: 1.5}", "eval.confidence_thresh_for_vid", "a number from 0 to 1"),
        ("eval: {confidence_thresh: 0.5}", "eval.confidence_thresh", "confidence_thresh_for_vid?"),
        ("callbacks: {anneal_weight: {init_val: -1}}", "callbacks.anneal_weight.init_val", "-1"),
        ("workflow: [1]", "workflow", "a mapping"),
        ("data: {skeleton: [5]}", "data.skeleton", "5"),
        ("data: {data_dir: '${nothing.there}'}", "bad.yaml", "nothing"),
        ("a: [", "bad.yaml", "expected"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, key: str, found: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config(write(tmp_path / "bad.yaml", text))
    message = str(caught.value)
    assert key in message
    assert found in message
    assert "bad.yaml" in message


def test_the_names_of_pooled_ensembles_are_the_users_own(tmp_path: Path) -> None:
    pooled = "{both: [single, pose_1.8], with_sleap: [pose_1.8, sleap]}"
    own = load_config(write(tmp_path / "a.yaml", f"workflow: {{ensemble: {{pooled: {pooled}}}}}"))
    assert own.workflow.ensemble.pooled == {
        "both": ["single", "pose_1.8"],
        "with_sleap": ["pose_1.8", "sleap"],
    }
    assert load_config(write(tmp_path / "b.yaml", to_yaml(own))) == own


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_config(
            write(tmp_path / "bad.yaml", "training: {max_epoch: 3, train_prob: x}\nmodel: {bacbone: r}")
        )
    assert len(caught.value.problems) == 3


def test_keys_of_upstream_without_effect_are_accepted_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LP_ROOT_PATH", "/somewhere")
    text = """
data: {data_dir: "${LP_ROOT_PATH:}/data/x", image_orig_dims: {height: 5}, keypoint_names: [a, b]}
losses: {unimodal_js: {log_weight: 5.0}}
dali: {general: {seed: 1}}
model: {losses_to_use: [], backbone: resnet50_animal_ap10k}
eval: {hydra_paths: [" "], fiftyone: {port: 5151}}
callbacks: {anneal_weight: {final_val: 1.0}}
"""
    settings = load_config(write(tmp_path / "config.yaml", text))
    assert settings.data.data_dir == "/somewhere/data/x"
    assert "losses.unimodal_js" in caplog.text
    assert "data.image_orig_dims" in caplog.text


def test_null_is_a_value_where_settings_say_what_it_means(tmp_path: Path, caplog) -> None:
    text = """
data: {keypoint_names: [a, b]}
training: {max_epochs: null, imgaug: null}
workflow: {boxes: {max_speed: null, min_cutoff: null, window: null}, ensemble: {fit_frames: null}}
"""
    settings = load_config(write(tmp_path / "config.yaml", text))
    boxes = settings.workflow.boxes
    assert (boxes.max_speed, boxes.min_cutoff, settings.workflow.ensemble.fit_frames) == (None, None, None)
    assert (boxes.window, settings.training.max_epochs, settings.training.imgaug) == (9, 300, "dlc")
    assert "training.max_epochs = 300" in caplog.text and "max_speed" not in caplog.text
    kept = load_config(write(tmp_path / "kept.yaml", to_yaml(settings)))
    assert kept.workflow.boxes.min_cutoff is None


def test_the_settings_that_upstream_keeps_beside_a_trained_model_load(tmp_path: Path) -> None:
    text = """
creation_datetime: 2026-01-01T00:00:00
data: {keypoint_names: [a, b]}
losses:
  pca_singleview: {empirical_epsilon_percentile: 99.0, centering_method: null}
  pca_multiview: {empirical_epsilon_percentile: 0.9}
training: {lr_scheduler: multistep_lr, imgaug_hflip: true}
model: {losses_to_use: [''], lightning_pose_version: 2.4.3}
"""
    settings = load_config(write(tmp_path / "config.yaml", text))
    assert settings.losses.pca_singleview.empirical_epsilon_percentile == 0.99
    assert settings.losses.pca_multiview.empirical_epsilon_percentile == 0.9
    assert settings.model.losses_to_use == []
    assert settings.training.imgaug_hflip


# The keys of upstream's own template (2.4), whose user fills in the nulls, with values of ours.
UPSTREAM_TEMPLATE = """
data:
  image_orig_dims: {height: null, width: null}
  image_resize_dims: {height: null, width: null}
  data_dir: null
  video_dir: null
  csv_file: CollectedData.csv
  downsample_factor: 2
  num_keypoints: null
  keypoint_names: null
  mirrored_column_matches: null
  columns_for_singleview_pca: null
training:
  imgaug: dlc
  train_batch_size: 8
  val_batch_size: 8
  test_batch_size: 8
  train_prob: 0.9
  val_prob: 0.05
  train_frames: 1
  num_gpus: 1
  num_workers: 4
  early_stop_patience: 3
  unfreezing_epoch: 20
  min_epochs: 300
  max_epochs: 300
  ckpt_every_n_epochs: null
  log_every_n_steps: 10
  check_val_every_n_epoch: 5
  gpu_id: 0
  rng_seed_data_pt: 0
  rng_seed_model_pt: 0
  optimizer: Adam
  optimizer_params: {learning_rate: 1e-3}
  lr_scheduler: multisteplr
  lr_scheduler_params: {multisteplr: {milestones: [150, 200, 250], gamma: 0.5}}
  uniform_heatmaps_for_nan_keypoints: true
  accumulate_grad_batches: 1
model:
  losses_to_use: []
  backbone: resnet50_animal_ap10k
  model_type: heatmap
  heatmap_loss_type: mse
  model_name: test
  checkpoint: null
dali:
  general: {seed: 1}
  base: {train: {sequence_length: 32}, predict: {sequence_length: 96}}
  context: {train: {batch_size: 16}, predict: {sequence_length: 96}}
losses:
  pca_multiview: {log_weight: 5.0, components_to_keep: 3, epsilon: null}
  pca_singleview: {log_weight: 5.0, components_to_keep: 0.99, epsilon: null}
  temporal: {log_weight: 5.0, epsilon: 20.0, prob_threshold: 0.05}
eval:
  hydra_paths: [" "]
  predict_vids_after_training: true
  save_vids_after_training: false
  fiftyone: {dataset_name: test, launch_app_from_script: false, port: 5151}
  test_videos_directory: null
  saved_vid_preds_dir: null
  confidence_thresh_for_vid: 0.9
  colormap: cool
  video_file_to_plot: null
  pred_csv_files_to_plot: [" "]
callbacks:
  anneal_weight: {attr_name: total_unsupervised_importance, init_val: 0.0, freeze_until_epoch: 0}
hydra:
  run: {dir: "outputs/${now:%Y-%m-%d}"}
  sweep: {dir: "multirun/${now:%Y-%m-%d}", subdir: "${hydra.job.num}"}
"""


def test_upstreams_template_loads_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_config(write(tmp_path / "config.yaml", UPSTREAM_TEMPLATE))
    assert settings.training.optimizer_params.learning_rate == 1e-3
    assert settings.training.unfreezing_epoch == 20
    assert settings.data.image_resize_dims.height == 256
    assert "data.image_resize_dims.height = 256" in caplog.text


def test_budgets_in_steps_as_upstream_writes_them(tmp_path: Path) -> None:
    text = """
training: {min_steps: 100, max_steps: 200, unfreezing_step: 50, val_check_interval: 20,
  lr_scheduler_params: {multisteplr: {milestone_steps: [100, 150]}}}
"""
    training = load_config(write(tmp_path / "config.yaml", text)).training
    assert training.lr_scheduler_params.multisteplr.milestone_steps == [100, 150]
    assert (training.unfreezing_step, training.val_check_interval) == (50, 20)


def test_several_views_are_refused_by_name(tmp_path: Path) -> None:
    several = "data: {csv_file: [a.csv, b.csv], view_names: [a, b]}"
    model = "model: {model_type: heatmap_multiview_transformer}"
    losses = "losses: {supervised_reprojection_heatmap_mse: {log_weight: 3.0}}"
    with pytest.raises(UserError, match=r"one labels CSV, found 2 of them .*several views") as caught:
        load_config(write(tmp_path / "config.yaml", "\n".join((several, model, losses))))
    assert len(caught.value.problems) == 1
    with pytest.raises(UserError, match="one of heatmap, regression, heatmap_mhcrnn"):
        load_config(write(tmp_path / "one.yaml", model))


def test_keys_of_upstreams_older_configs_are_accepted(tmp_path: Path, caplog) -> None:
    text = """
training: {dropout_rate: 0.1, multiple_trainloader_mode: max_size_cycle, rng_seed_data_dali: 0,
  save_heatmaps: false}
model: {learn_weights: false}
losses: {pca_multiview: {error_metric: a}, pca_singleview: {error_metric: a}}
eval: {create_labeled_video: true}
"""
    load_config(write(tmp_path / "config.yaml", text))
    assert "training.dropout_rate" in caplog.text and "losses.pca_singleview.error_metric" in caplog.text


def test_a_network_without_first_weights_is_asked_for_as_it_is_here(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"backbone_pretrained: expected model\.weights: random in its place"):
        load_config(write(tmp_path / "config.yaml", "model: {backbone_pretrained: false}"))
    load_config(write(tmp_path / "pretrained.yaml", "model: {backbone_pretrained: true}"))


@pytest.mark.parametrize(("own", "is_told"), [("1.00", True), ("99.0", False), ("1.00, epsilon: 5", False)])
def test_a_percentile_of_one_is_told_to_be_a_share(tmp_path: Path, caplog, own: str, is_told: bool) -> None:
    text = f"""
data: {{video_dir: videos}}
model: {{losses_to_use: [temporal, pca_singleview]}}
losses: {{pca_singleview: {{empirical_epsilon_percentile: {own}}}}}
"""
    load_config(write(tmp_path / "config.yaml", text))
    assert ("pca_singleview.empirical_epsilon_percentile: 1 is a share" in caplog.text) == is_told


def test_a_text_that_is_no_mapping_is_not_repeated(tmp_path: Path) -> None:
    labels = "scorer,me,me\nbodyparts,a,a\ncoords,x,y\n" + "a.png,1,2\n" * 99
    with pytest.raises(UserError) as caught:
        load_config(write(tmp_path / "labels.csv", labels))
    assert str(caught.value).endswith("labels.csv: expected a mapping of sections, found plain text")


@pytest.mark.parametrize("text", ["1e3", "1000.0", "1.0e+3"])
def test_whole_numbers_with_a_point_or_an_exponent(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "config.yaml", f"training: {{max_steps: {text}, max_epochs: {text}}}")
    for training in (load_config(path).training, load_config(path, [f"training.max_steps={text}"]).training):
        assert (training.max_steps, training.max_epochs) == (1000, 1000)
        assert type(training.max_steps) is int


def test_a_variant_lies_over_the_settings_of_its_kind(tmp_path: Path) -> None:
    text = """
training: {max_steps: 9, train_batch_size: 4}
workflow:
  pose: {training: {max_steps: 8}}
  variants: {long: {settings: {training: {max_steps: null, max_epochs: 7}}}}
"""
    path = write(tmp_path / "config.yaml", text)
    plain, variant = load_config(path, kind="pose"), load_config(path, kind="pose", variant="long")
    assert (plain.training.max_steps, variant.training.max_steps) == (8, None)
    assert (variant.training.max_epochs, variant.training.train_batch_size) == (7, 4)
    with pytest.raises(
        UserError, match=r"workflow\.variants\.short: expected a variant of the config \(long\)"
    ):
        load_config(path, kind="pose", variant="short")


@pytest.mark.parametrize(
    "override",
    [
        "training.max_steps", "=3", "~training.max_steps", "data.csv_file=a,b.csv",
        "training.max_steps=range(1,3)", "data.skeleton.99=a", "data.skeleton.x=a",
    ],
)  # fmt: skip
def test_bad_overrides_are_named(override: str) -> None:
    with pytest.raises(UserError, match="--overrides"):
        load_config(ROOT / "config" / "chickadee.yaml", [override])


def test_overrides_of_what_the_workflow_lays_over_settings_count(tmp_path: Path) -> None:
    text = "training: {max_steps: 9}\nworkflow: {pose: {training: {max_steps: 5}}}"
    path = write(tmp_path / "config.yaml", text)

    def steps(*overrides: str) -> int | None:
        return load_config(path, overrides, "pose").training.max_steps

    assert steps() == 5
    assert steps("workflow.pose.training.max_steps=2") == 2
    assert steps("workflow.pose.training.max_steps=2", "training.max_steps=3") == 3


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "a b",
        "it's",
        'a "b"',
        "$HOME {x} [y]",
        "a\\b",
        "a\\",
        "a\\'b",
        "\\\\",
        "é 眼",
        "a=b,c",
        "",
        "#",
        "null",
        "1",
    ],
)
def test_an_override_of_any_text(tmp_path, text) -> None:
    (tmp_path / "a.yaml").write_text("data: {data_dir: before}\n")
    assert load_config(tmp_path / "a.yaml", [override("data.data_dir", text)]).data.data_dir == text
