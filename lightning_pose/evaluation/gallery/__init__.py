"""The gallery: a static site that shows what every model found in every labelled frame."""
