# Labelled frames and what was found in them, for FiftyOne:  snakemake --cores 8 results/<dataset>/fiftyone/samples.json


rule export_fiftyone:
    """Export labels, what every model found, boxes and scores as a data set of FiftyOne."""
    input:
        predictions=plotted_predictions,
        boxes=gallery_boxes,
        indexes=gallery_indexes,
        ind_labels=ind_labels,
        ood_labels=ood_labels,
    output:
        samples="results/{dataset}/fiftyone/samples.json",
        metadata="results/{dataset}/fiftyone/metadata.json",
    log:
        "results/{dataset}/logs/export_fiftyone.log",
    benchmark:
        "results/{dataset}/benchmarks/export_fiftyone.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        ood=ood_option,
        members=plotted_options,
        boxes=gallery_box_options,
        data_dir=data_dir,
        config="config/{dataset}.yaml",
        skeleton=lambda w: settings(w.dataset).data.skeleton,
        folder=subpath(output.samples, parent=True),
        code=fingerprint("lightning_pose.cli.export_fiftyone", *SETTINGS_CODE),
    shell:
        "litpose export_fiftyone"
        " --ind_labels {input.ind_labels:q}"
        " {params.ood:q}"
        " {params.members:q}"
        " {params.boxes:q}"
        " --data_dir {params.data_dir:q}"
        " --config {params.config:q}"
        " --name {wildcards.dataset:q}"
        " --output {params.folder:q}"
        " > {log:q} 2>&1"
