"""The notebook of the docs, and what only a notebook does: an event loop, and interruption by its stop button."""

import queue
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
# of the kernel's process, not of ours
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_notebook_runs(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [str(output) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "\n".join(outputs)
    assert "epoch 3, minibatch 54/54, validation error" in text
    assert "did you mean 'lenet'?" in text
    assert "lenet on digits, finished" in text
    assert "image/png" in text  # the learning curves
    assert "LeNet(" in text


def test_the_stop_button_saves_a_checkpoint_and_the_run_resumes(tmp_path):
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        client.execute(
            'import dlpipe; dlpipe.run("model=logreg", "recipe.patience=null", "hydra.run.dir=run")',
            stop_on_error=False,
        )
        printed = read_until(client, "epoch 2,")
        manager.interrupt_kernel()
        printed = read_until(client, "KeyboardInterrupt")
        assert "SystemExit" not in printed
        client.execute('print(dlpipe.Run("run").summary["status"])')
        read_until(client, "interrupted")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def read_until(client, words):
    """What the kernel prints, up to a message with these words."""
    printed = ""
    for _ in range(5000):
        try:
            content = client.get_iopub_msg(timeout=120)["content"]
        except queue.Empty:
            break
        printed += content.get("text", "") + "\n".join([content.get("ename", ""), content.get("evalue", "")])
        if words in printed:
            return printed
    raise AssertionError(f"{words!r} is not in {printed}")
