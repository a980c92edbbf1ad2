# Boxes and crops around the animal.


rule create_bbox:
    """Place a box around the animal in every labelled frame."""
    input:
        predictions="results/{dataset}/single_{seed}/image_preds/{csv}/predictions.csv",
    output:
        bbox="results/{dataset}/crop_{seed}_{ratio}/{csv}/bbox.csv",
    log:
        "results/{dataset}/logs/create_bbox.{seed}_{ratio}.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/create_bbox.{seed}_{ratio}.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        data_dir=data_dir,
        anchors=anchor_keypoints,
        boxes=labelled_box_options,
        code=fingerprint("lightning_pose.cli.create_bbox", *SETTINGS_CODE),
    shell:
        "litpose create_bbox"
        " --predictions {input.predictions:q}"
        " --data_dir {params.data_dir:q}"
        " {params.boxes:q}"
        " --anchor_keypoints={params.anchors:q}"
        " --output {output.bbox:q}"
        " > {log:q} 2>&1"


rule crop_images:
    """Crop labelled frames and their context frames; only stale crops are made anew."""
    input:
        bbox="results/{dataset}/crop_{seed}_{ratio}/{csv}/bbox.csv",
        index="results/{dataset}/data/{csv}/images.json",
        labels=labels_csv,
    output:
        manifest=update("results/{dataset}/crop_{seed}_{ratio}/{csv}/crops.json"),
        labels="results/{dataset}/crop_{seed}_{ratio}/{csv}/cropped_{csv}",
    log:
        "results/{dataset}/logs/crop_images.{seed}_{ratio}.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/crop_images.{seed}_{ratio}.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(CROPPING_CORES)
    resources:
        mem_mb=table_mb,
        runtime=cropping_minutes,
    params:
        data_dir=data_dir,
        folder=subpath(output.manifest, ancestor=2),
        size=crop_size,
        code=fingerprint("lightning_pose.cli.crop", *SETTINGS_CODE),
    shell:
        "litpose crop"
        " --labels {input.labels:q}"
        " --bbox {input.bbox:q}"
        " --data_dir {params.data_dir:q}"
        " --output_dir {params.folder:q}"
        " --crop_size {params.size}"
        " > {log:q} 2>&1"
