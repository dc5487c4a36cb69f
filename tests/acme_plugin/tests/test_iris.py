from dlpipe.testing import check_model


def test_softmax_learns_from_irises():
    check_model("softmax", "dataset=iris")
