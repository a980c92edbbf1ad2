# Whether crops can be trusted: for labelled sets, for videos, and for unlabelled videos of trainings.


localrules:
    crop_qa,


rule crop_qa:
    """Look at the crops of all labelled sets and videos, of every detector and crop ratio."""
    input:
        crop_qa_targets,


for name in DATASETS:

    rule:
        name:
            f"crop_qa_{name}"
        input:
            lambda wildcards, dataset=name: crop_qa_tables(dataset),
        localrule: True


rule check_labelled_crops:
    """Look at where labels, and predictions of what is not labelled, lie in the boxes."""
    input:
        bbox="results/{dataset}/crop_{seed}_{ratio}/{csv}/bbox.csv",
        predictions="results/{dataset}/single_{seed}/image_preds/{csv}/predictions.csv",
        index="results/{dataset}/data/{csv}/images.json",
        labels=labels_csv,
    output:
        table=report(
            "results/{dataset}/crop_{seed}_{ratio}/{csv}/crop_qa.csv",
            caption="../report/crop_qa_table.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={"boxes": "crop_{seed}_{ratio}", "of": "{csv}", "as": "table"},
        ),
        pdf="results/{dataset}/crop_{seed}_{ratio}/{csv}/crop_qa.pdf",
        png=report(
            "results/{dataset}/crop_{seed}_{ratio}/{csv}/crop_qa.png",
            caption="../report/crop_qa.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={"boxes": "crop_{seed}_{ratio}", "of": "{csv}", "as": "plot"},
        ),
        sheet=report(
            "results/{dataset}/crop_{seed}_{ratio}/{csv}/crop_qa_worst.png",
            caption="../report/crop_qa_worst.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={
                "boxes": "crop_{seed}_{ratio}",
                "of": "{csv}",
                "as": "worst frames",
            },
        ),
    log:
        "results/{dataset}/logs/check_labelled_crops.{seed}_{ratio}.{csv}.log",
    benchmark:
        "results/{dataset}/benchmarks/check_labelled_crops.{seed}_{ratio}.{csv}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: share_of(1)
    resources:
        mem_mb=table_mb,
        runtime=table_minutes,
    params:
        frames=labelled_frames,
        boxes=checked_boxes,
        code=fingerprint("lightning_pose.cli.crop_qa", *SETTINGS_CODE),
    shell:
        "litpose crop_qa"
        " --bbox {input.bbox:q}"
        " --predictions {input.predictions:q}"
        " {params.frames:q}"
        " {params.boxes:q}"
        " --output {output.table:q}"
        " --plot {output.pdf:q} {output.png:q}"
        " --sheet {output.sheet:q}"
        " > {log:q} 2>&1"


use rule check_labelled_crops as check_video_crops with:
    input:
        bbox="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/bbox.csv",
        predictions="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/predictions.csv",
        video=named_video,
    output:
        table=report(
            "results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/crop_qa.csv",
            caption="../report/crop_qa_table.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={
                "boxes": "cropzoom_{seed}_{ratio}",
                "of": "{video}",
                "as": "table",
            },
        ),
        pdf="results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/crop_qa.pdf",
        png=report(
            "results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/crop_qa.png",
            caption="../report/crop_qa.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={"boxes": "cropzoom_{seed}_{ratio}", "of": "{video}", "as": "plot"},
        ),
        sheet=report(
            "results/{dataset}/cropzoom_{seed}_{ratio}/video_preds/{video}/crop_qa_worst.png",
            caption="../report/crop_qa_worst.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={
                "boxes": "cropzoom_{seed}_{ratio}",
                "of": "{video}",
                "as": "worst frames",
            },
        ),
    log:
        "results/{dataset}/logs/check_video_crops.{seed}_{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/check_video_crops.{seed}_{ratio}.{video}.tsv"
    params:
        frames=video_frames,
        boxes=checked_boxes,
        code=fingerprint("lightning_pose.cli.crop_qa", *SETTINGS_CODE),


use rule check_labelled_crops as check_unlabelled_crops with:
    input:
        bbox="results/{dataset}/crop_{seed}_{ratio}/{video}/bbox.csv",
        predictions="results/{dataset}/single_{seed}/video_preds/{video}/predictions.csv",
        video=video_file,
    output:
        table=report(
            "results/{dataset}/crop_{seed}_{ratio}/{video}/crop_qa.csv",
            caption="../report/crop_qa_table.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={"boxes": "crop_{seed}_{ratio}", "of": "{video}", "as": "table"},
        ),
        pdf="results/{dataset}/crop_{seed}_{ratio}/{video}/crop_qa.pdf",
        png=report(
            "results/{dataset}/crop_{seed}_{ratio}/{video}/crop_qa.png",
            caption="../report/crop_qa.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={"boxes": "crop_{seed}_{ratio}", "of": "{video}", "as": "plot"},
        ),
        sheet=report(
            "results/{dataset}/crop_{seed}_{ratio}/{video}/crop_qa_worst.png",
            caption="../report/crop_qa_worst.rst",
            category="{dataset}",
            subcategory="crop QA",
            labels={
                "boxes": "crop_{seed}_{ratio}",
                "of": "{video}",
                "as": "worst frames",
            },
        ),
    log:
        "results/{dataset}/logs/check_unlabelled_crops.{seed}_{ratio}.{video}.log",
    benchmark:
        "results/{dataset}/benchmarks/check_unlabelled_crops.{seed}_{ratio}.{video}.tsv"
    params:
        frames=video_frames,
        boxes=checked_boxes,
        code=fingerprint("lightning_pose.cli.crop_qa", *SETTINGS_CODE),
