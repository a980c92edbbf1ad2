# Training: detectors on whole frames, pose models on crops.


rule train_detector:
    """Train a detector on whole frames."""
    input:
        index=ind_index,
        labels=ind_labels,
        weights=lambda w: first_weights(w, "detector"),
        videos=detector_videos,
    output:
        weights="results/{dataset}/single{variant}_{seed}/model.safetensors",
        config="results/{dataset}/single{variant}_{seed}/config.yaml",
        splits="results/{dataset}/single{variant}_{seed}/splits.json",
    log:
        "results/{dataset}/logs/train_detector.single{variant}_{seed}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_detector.single{variant}_{seed}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(TRAINING_CORES)
    resources:
        mem_mb=detector_mb,
        runtime=detector_minutes,
    params:
        config="config/{dataset}.yaml",
        folder=subpath(output.weights, parent=True),
        settings=lambda w: training_params(w, "detector"),
        overrides=lambda w: [
            f"training.rng_seed_model_pt={w.seed}",
            override("data.csv_file", ind_csv(w)),
            *video_overrides(w, "detector"),
        ],
        variant=variant_option,
        code=lambda w: train_code(w, "detector"),
    shell:
        "litpose train {params.config:q}"
        " --kind detector"
        " --output_dir {params.folder:q}"
        " {params.variant:q}"
        " --skip_predict"
        " --overrides {params.overrides:q}"
        " > {log:q} 2>&1"


rule train_pose:
    """Train a pose model on the crops of the detector with the same seed."""
    input:
        crops=ind_crops,
        manifest=ind_manifest,
        weights=lambda w: first_weights(w, "pose"),
        videos=pose_videos,
        boxes=video_boxes,
    output:
        weights="results/{dataset}/pose{variant}_{seed}_{ratio}/model.safetensors",
        config="results/{dataset}/pose{variant}_{seed}_{ratio}/config.yaml",
        splits="results/{dataset}/pose{variant}_{seed}_{ratio}/splits.json",
    log:
        "results/{dataset}/logs/train_pose.pose{variant}_{seed}_{ratio}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_pose.pose{variant}_{seed}_{ratio}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(TRAINING_CORES)
    resources:
        mem_mb=pose_mb,
        runtime=pose_minutes,
    params:
        config="config/{dataset}.yaml",
        folder=subpath(output.weights, parent=True),
        settings=lambda w: training_params(w, "pose"),
        overrides=lambda w, input: [
            f"training.rng_seed_model_pt={w.seed}",
            override(
                "data.data_dir",
                f"{crops_folder(w)}/cropped_images",
            ),
            override("data.csv_file", input.crops),
            *video_overrides(w, "pose"),
        ],
        variant=variant_option,
        code=lambda w: train_code(w, "pose"),
    shell:
        "litpose train {params.config:q}"
        " --kind pose"
        " --output_dir {params.folder:q}"
        " {params.variant:q}"
        " --skip_predict"
        " --overrides {params.overrides:q}"
        " > {log:q} 2>&1"
