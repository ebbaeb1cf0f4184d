"""What a `.keras` file needs to be loaded."""

import json
import zipfile


def assert_stock_layers_only(path):
    """A functional model that needs neither ones_keras nor keras_hub."""
    with zipfile.ZipFile(path) as file:
        config = file.read("config.json").decode()
    assert "ones_keras" not in config
    assert "keras_hub" not in config
    assert json.loads(config)["class_name"] == "Functional"
