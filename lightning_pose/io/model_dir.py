"""Names of the files in a trained model's folder."""

CONFIG_FILE = "config.yaml"  # the complete settings it was trained with
WEIGHTS_FILE = "model.safetensors"  # those of the lowest validation error, written last
SPLITS_FILE = "splits.json"  # what each labelled image was used for
