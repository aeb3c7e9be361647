"""Fashion-MNIST, 70,000 real images, from Debian's package dataset-fashion-mnist."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path("/usr/share/datasets/fashion-mnist")
pytestmark = [
    pytest.mark.fashion,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="apt-get install dataset-fashion-mnist brings the images"),
]


def test_accuracy_after_the_tenth_epoch_is_at_least_0_871_over_three_seeds(tmp_path):
    # standardised, hidden (100,), ReLU, Adam 1e-3, batch 200: the best that its authors report for scikit-learn's MLP
    accuracies = []
    for seed in range(3):
        done = subprocess.run(
            [sys.executable, "-m", "chainrule", "train", str(FOLDER), "--hidden", "100", "--activation", "relu",
             "--optimizer", "adam", "--learning-rate", "1e-3", "--batch-size", "200", "--epochs", "10",
             "--seed", str(seed), "--json"],
            cwd=tmp_path, capture_output=True, text=True, timeout=600, check=True,
        )  # fmt: skip
        result = json.loads(done.stdout)
        assert result["rows"] == 60_000
        accuracies.append(result["test"]["accuracy"])
    print("test accuracy after epoch 10, seeds 0 to 2:", accuracies)  # noqa: T201 (shown by pytest -s and on failure)
    assert sum(accuracies) / 3 >= 0.871
