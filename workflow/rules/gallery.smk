# A page to browse every labelled frame:  snakemake --cores 8 results/<dataset>/gallery/index.html


rule write_gallery:
    """Write a static site of all labelled frames and what all models found; only changed frames are redrawn."""
    input:
        predictions=plotted_predictions,
        boxes=gallery_boxes,
        indexes=gallery_indexes,
        videos=gallery_video_files,
        ind_labels=ind_labels,
        ood_labels=ood_labels,
    output:
        page="results/{dataset}/gallery/index.html",
        data="results/{dataset}/gallery/data.js",
        clips="results/{dataset}/gallery/clips.js",
        manifest=update("results/{dataset}/gallery/manifest.json"),
    log:
        "results/{dataset}/logs/write_gallery.log",
    benchmark:
        "results/{dataset}/benchmarks/write_gallery.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(CROPPING_CORES)
    resources:
        mem_mb=table_mb,
        runtime=gallery_minutes,
    params:
        ood=ood_option,
        members=plotted_options,
        boxes=gallery_box_options,
        videos=gallery_video_options,
        data_dir=data_dir,
        config="config/{dataset}.yaml",
        skeleton=lambda w: settings(w.dataset).data.skeleton,
        colors=plot_colors,
        code=GALLERY_CODE,
    shell:
        "litpose gallery"
        " --ind_labels {input.ind_labels:q}"
        " {params.ood:q}"
        " {params.members:q}"
        " {params.boxes:q}"
        " {params.videos:q}"
        " --data_dir {params.data_dir:q}"
        " --config {params.config:q}"
        " --colors {params.colors:q}"
        " --title {wildcards.dataset:q}"
        " --output {output.page:q}"
        " > {log:q} 2>&1"
