from dlpipe.testing import check_model


def test_softmax_keeps_the_plugin_contract():
    check_model("softmax", "model.l2=0.001")
