"""Pictures as people have them: read as the plain one, or refused with what is wrong."""

import gzip
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from dlpipe import DataError
from dlpipe.data.digits import _splits
from dlpipe.data.picture_files import picture_shape, read_images, read_picture

SHAPE = [1, 28, 28]
INK = (_splits()["test"].x[0].reshape(28, 28) * 255).round().to(torch.uint8).numpy()
BLACK, WHITE = np.zeros_like(INK), np.full_like(INK, 255)


def layers(*channels):
    """LA, RGB or RGBA."""
    return Image.fromarray(np.stack(channels, -1))


def saved(image, path, **options):
    image.save(path, **options)
    return path


def tagged(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def palette(transparency=False):
    """Grey levels in another order, or black ink whose palette is transparent where there is none."""
    image = Image.frombytes("P", (28, 28), (INK if transparency else 255 - INK).tobytes())
    levels = [0] * 256 if transparency else range(255, -1, -1)
    image.putpalette([level for level in levels for _ in range(3)])
    return image


FLOATS = INK.astype(np.float32)
PICTURES = {
    "plain": (Image.fromarray(INK), "a.png", {}),
    "another suffix": (Image.fromarray(INK), "a.jpg", {"format": "PNG"}),
    "RGB": (layers(INK, INK, INK), "a.png", {}),
    "CMYK": (Image.fromarray(INK).convert("CMYK"), "a.tif", {}),
    "YCbCr": (layers(INK, INK, INK).convert("YCbCr"), "a.tif", {}),
    "palette": (palette(), "a.png", {}),
    "palette of a GIF": (palette(), "a.gif", {}),
    "opaque alpha": (layers(INK, WHITE), "a.png", {}),
    "black ink on transparent": (layers(BLACK, BLACK, BLACK, INK), "a.png", {}),
    "chalk on transparent": (layers(WHITE, WHITE, WHITE, INK), "a.png", {}),
    "grey and alpha": (layers(WHITE, INK), "a.png", {}),
    "black and alpha": (layers(BLACK, INK), "a.png", {}),
    "transparent palette": (palette(True), "a.png", {"transparency": bytes(range(256))}),
    "transparent grey": (Image.fromarray(INK), "a.png", {"transparency": 0}),
    "transparent colour": (layers(INK, INK, INK), "a.png", {"transparency": (0, 0, 0)}),
    "16 bits": (Image.fromarray(INK.astype(np.uint16) * 257), "a.png", {}),
    "16 bits, shifted": (Image.fromarray(INK.astype(np.uint16) * 256), "a.png", {}),
    "16 bits, big endian": (Image.frombytes("I;16B", (28, 28), (INK.astype(">u2") * 257).tobytes()), "a.tif", {}),
    "16 bits with 8": (Image.fromarray(INK.astype(np.uint16)), "a.png", {}),
    "32 bits": (Image.fromarray(INK.astype(np.int32) * 257), "a.tif", {}),
    "32 bits with 8": (Image.fromarray(INK.astype(np.int32)), "a.tif", {}),
    "floats to 1": (Image.fromarray(FLOATS / 255), "a.tif", {}),
    "floats of the dataset": (Image.fromarray(FLOATS / 256), "a.tif", {}),
    "floats to 255": (Image.fromarray(FLOATS), "a.tif", {}),
    "dark on light": (Image.fromarray(255 - INK), "a.png", {}),
    "dark on light, palette": (Image.fromarray(255 - INK).convert("P"), "a.png", {}),
    "turned by 90 degrees": (Image.fromarray(np.rot90(INK)), "a.png", {"exif": tagged(6)}),
    "turned by 180 degrees": (Image.fromarray(np.rot90(INK, 2)), "a.tif", {"exif": tagged(3)}),
    "mirrored": (Image.fromarray(INK[:, ::-1]), "a.webp", {"exif": tagged(2), "lossless": True}),
}
UNCHANGED = ("plain", "another suffix")


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_read_as_the_plain_one_and_a_log_line_says_if_it_was_converted(kind, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    image, name, options = PICTURES[kind]
    path = saved(image, tmp_path / name, **options)
    x = read_images(path, SHAPE, lambda: True)
    np.testing.assert_allclose(x.reshape(28, 28) * 256, INK, atol=1 if kind == "YCbCr" else 0)
    if kind in UNCHANGED:
        assert caplog.messages == []
    else:
        (line,) = caplog.messages
        assert line.startswith(f"{path} was converted: ")


def test_one_bit_is_black_or_white(tmp_path):
    path = saved(Image.fromarray(INK > 127), tmp_path / "a.png")
    assert (read_images(path, SHAPE) * 256).unique().tolist() == [0, 255]


def test_a_compressed_picture_is_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(gzip.compress(saved(Image.fromarray(INK), tmp_path / "b.png").read_bytes()))
    assert (256 * read_images(path, SHAPE).reshape(28, 28)).numpy().tolist() == INK.tolist()


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_is_known_by_its_content(tmp_path, idx_bytes, packed):
    content = idx_bytes(np.stack([INK, BLACK]))
    (tmp_path / "digits").write_bytes(gzip.compress(content) if packed else content)
    assert read_images(tmp_path / "digits", SHAPE).shape == (2, 784)


def test_a_picture_of_a_dataset_that_is_dark_on_light_stays_so(tmp_path, caplog):
    path = saved(Image.fromarray(255 - INK), tmp_path / "a.png")
    assert (256 * read_images(path, SHAPE, lambda: False).reshape(28, 28)).numpy().tolist() == (255 - INK).tolist()
    assert caplog.messages == []
    read_images(path, SHAPE)
    assert caplog.messages == [
        f"{path} has a light ground; invert it if the model was trained on light images on a dark one"
    ]


def test_a_picture_with_colours_is_read_in_colour(tmp_path):
    rgba = layers(INK, WHITE, BLACK, np.where(INK > 0, 255, 0).astype(np.uint8))
    x = read_images(saved(rgba, tmp_path / "a.png"), [3, 28, 28]).reshape(28, 28, 3) * 256
    expected = np.where((INK > 0)[..., None], np.stack([INK, WHITE, BLACK], -1), x[0, 0])
    np.testing.assert_array_equal(x, expected)
    grey = read_images(saved(Image.fromarray(INK.astype(np.uint16) * 257), tmp_path / "b.png"), [3, 28, 28])
    assert grey.shape == (1, 28 * 28 * 3)


def frames(path):
    Image.fromarray(INK).save(path, save_all=True, append_images=[Image.fromarray(BLACK)])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.gif", frames, "has 2 frames; save the one that is meant"),
        ("a.tif", frames, "has 2 frames"),
        ("a.png", frames, "has 2 frames"),
        (
            "a.tif",
            lambda p: Image.fromarray(FLOATS * 1000).save(p),
            r"has values from 0\.0 to .*, whose range is unknown",
        ),
        ("a.tif", lambda p: Image.fromarray(FLOATS - 1).save(p), r"has values from -1\.0 to"),
        ("a.tif", lambda p: Image.fromarray(FLOATS * np.nan).save(p), r"has values from nan to nan"),
        (
            "a.png",
            lambda p: Image.fromarray(INK.astype(np.uint16) * 16).save(p),
            "has values from 0 to 4080, .* or 8 or 16 bits: save it with 8 bits",
        ),
        ("a.png", lambda p: layers(INK, BLACK).save(p), "is wholly transparent"),
        ("a.tif", lambda p: Image.new("LAB", (28, 28)).save(p), "is not an image that can be read: .*LAB"),
        ("a.png", lambda p: p.write_bytes(b""), "is not an image"),
        ("a.png", lambda p: p.write_bytes(b"\x1f\x8bno"), "cannot be read"),
        ("a.png", lambda p: Image.fromarray(INK[:, :20]).save(p), "is 28 x 20; the model was trained on 28 x 28"),
    ],
)
def test_a_picture_that_cannot_be_read_right_is_refused_by_name(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} {message}"):
        read_images(tmp_path / name, SHAPE)


def test_a_picture_of_another_shape_when_turned_is_refused(tmp_path):
    path = saved(Image.fromarray(INK[:, :20]), tmp_path / "a.png", exif=tagged(6))
    with pytest.raises(DataError, match="is 20 x 28; the model was trained on 28 x 20"):
        read_images(path, [1, 28, 20])


@pytest.mark.parametrize("side", [10_000, 14_000])
def test_a_huge_picture_is_refused_before_it_is_decoded_with_its_size_and_the_limit(tmp_path, side):
    path = saved(Image.new("1", (side, side)), tmp_path / "huge.png")
    limit = "exceeds limit of 178956970 pixels.* trained on 28 x 28" if side == 14_000 else "trained on 28 x 28"
    with pytest.raises(DataError, match=rf"huge\.png is .*({side} x {side}|{side**2} pixels).*{limit}"):
        read_images(path, SHAPE)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_of_any_mode_is_read_in_another_size_and_not_inverted(kind, tmp_path):
    image, name, options = PICTURES[kind]
    pixels, changes = read_picture(saved(image, tmp_path / name, **options), [1, 14, 20])
    is_light = kind.startswith(("dark on light", "black", "transparent palette"))
    ink = 255 - INK if is_light else INK
    expected = np.asarray(Image.fromarray(ink).resize((20, 14), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(pixels.astype(int), expected, atol=1)
    assert changes[-1] == "resized to 14 x 20"
    colour, _ = read_picture(tmp_path / name, [3, 28, 28])
    assert colour.shape == (28, 28, 3)


def test_a_large_jpeg_is_decoded_at_a_smaller_scale_to_nearly_the_same_pixels(tmp_path):
    image = Image.fromarray(INK).resize((1600, 1600), Image.Resampling.BICUBIC)
    path = saved(image, tmp_path / "a.jpg", quality=95)
    pixels, _ = read_picture(path, [1, 28, 28])
    assert np.abs(pixels.astype(int) - INK).mean() < 6


@pytest.mark.parametrize(
    ("image", "options", "shape"),
    [
        (Image.fromarray(INK[:20]), {}, [1, 20, 28]),
        (Image.fromarray(INK[:20].astype(np.uint16) * 257), {}, [1, 20, 28]),
        (layers(INK[:20], WHITE[:20]), {}, [1, 20, 28]),
        (Image.fromarray(INK[:20] > 9), {}, [1, 20, 28]),
        (palette(), {}, [3, 28, 28]),
        (layers(INK, INK, INK, WHITE), {}, [3, 28, 28]),
        (Image.fromarray(INK[:20]), {"exif": tagged(6)}, [1, 28, 20]),
    ],
)
def test_the_shape_of_a_picture_is_read_from_its_header(image, options, shape, tmp_path):
    assert picture_shape(saved(image, tmp_path / "a.png", **options)) == shape


def test_a_picture_that_is_none_has_no_shape_and_no_pixels(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "b.png").touch()
    with pytest.raises(DataError, match=r"a\.png is not an image that can be read"):
        picture_shape(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is not an image that can be read"):
        read_picture(tmp_path / "a.png", SHAPE)
    with pytest.raises(DataError, match=r"b\.png is empty: it has 0 bytes"):
        read_picture(tmp_path / "b.png", SHAPE)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(DataError, match=r"a\.png is too large: Image size \(784 pixels\) exceeds limit of 600"):
        read_picture(saved(Image.fromarray(INK), tmp_path / "a.png"), [1, 5, 5])
