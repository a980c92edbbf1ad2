# Scores and plots.


rule score:
    """Compute pixel errors in frame pixels."""
    input:
        predictions="results/{dataset}/{in_frame_px}.csv",
        labels=scored_labels,
    output:
        errors="results/{dataset}/{in_frame_px}_pixel_error.csv",
    log:
        "results/{dataset}/logs/score/{in_frame_px}.log",
    benchmark:
        "results/{dataset}/benchmarks/score/{in_frame_px}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        code=fingerprint("lightning_pose.cli.score"),
    shell:
        "litpose score {input.predictions:q} {input.labels:q}"
        " --output {output.errors:q}"
        " > {log:q} 2>&1"


use rule score as score_external with:
    input:
        predictions=external_predictions,
        labels=labels_csv,
    output:
        errors="results/{dataset}/external/{kind}_{number}/image_preds/{csv}/predictions_pixel_error.csv",
    log:
        "results/{dataset}/logs/score/external/{kind}_{number}/{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/score/external/{kind}_{number}/{csv}.tsv"


rule sweep_table:
    """Sum up the pixel errors of all models over their seeds."""
    input:
        predictions=plotted_predictions,
        ind_labels=ind_labels,
        ood_labels=ood_labels,
    output:
        table=report(
            "results/{dataset}/sweep_table.csv",
            caption="../report/sweep_table.rst",
            category="{dataset}",
        ),
        text="results/{dataset}/sweep_table.txt",
    log:
        "results/{dataset}/logs/sweep_table.log",
    benchmark:
        "results/{dataset}/benchmarks/sweep_table.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        ood=ood_option,
        members=plotted_options,
        code=fingerprint("lightning_pose.cli.sweep_table"),
    shell:
        "litpose sweep_table"
        " --ind_labels {input.ind_labels:q}"
        " {params.ood:q}"
        " {params.members:q}"
        " --output {output.table:q}"
        " --output_text {output.text:q}"
        " > {log:q} 2>&1"


rule plot_ood:
    """Plot pixel error against the ensemble's standard deviation."""
    input:
        predictions=plotted_predictions,
        errors=plot_errors,
        ind_labels=ind_labels,
        ood_labels=ood_labels,
    output:
        pdf=report(
            "results/{dataset}/ood_plots.pdf",
            caption="../report/ood_plots.rst",
            category="{dataset}",
        ),
        metrics=report(
            "results/{dataset}/ood_metrics.csv",
            caption="../report/ood_metrics.rst",
            category="{dataset}",
        ),
        figures=report(
            expand("results/{{dataset}}/figures/{page}.png", page=OOD_PAGES),
            caption="../report/ood_figures.rst",
            category="{dataset}",
            subcategory="figures",
        ),
        files=expand(
            "results/{{dataset}}/figures/{page}.{suffix}",
            page=OOD_PAGES,
            suffix=("pdf", "csv"),
        ),
    log:
        "results/{dataset}/logs/plot_ood.log",
    benchmark:
        "results/{dataset}/benchmarks/plot_ood.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        ood=ood_option,
        members=plotted_options,
        colors=plot_colors,
        figures="results/{dataset}/figures",
        code=fingerprint("lightning_pose.cli.plot_ood"),
    shell:
        "litpose plot_ood"
        " --ind_labels {input.ind_labels:q}"
        " {params.ood:q}"
        " {params.members:q}"
        " --colors {params.colors:q}"
        " --metrics {output.metrics:q}"
        " --output {output.pdf:q}"
        " --figures_dir {params.figures:q}"
        " > {log:q} 2>&1"
