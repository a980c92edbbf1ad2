"""Files that the tools' own libraries wrote, and ours read by them."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lightning_pose.cli.main import main
from lightning_pose.io.formats.convert import Choices, Tool, convert
from lightning_pose.io.labels import read_labels, write_labels
from lightning_pose.io.predictions import read_predictions, write_predictions
from lightning_pose.types import Labels, Predictions, UserError

sio = pytest.importorskip("sleap_io")
coco = pytest.importorskip("pycocotools.coco")
pytest.importorskip("tables")

SKELETON = sio.Skeleton(["nose", "tail"], name="mouse")
POINTS = np.array([[1.25, 2.0], [np.nan, np.nan]])


def put_images(folder, names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 10, 3), (i * 10, 20, 200), np.uint8)).save(folder / name)


def labelled(video, frame, *animals):
    return sio.LabeledFrame(
        video=video,
        frame_idx=frame,
        instances=[sio.Instance.from_numpy(a, skeleton=SKELETON) for a in animals],
    )


def test_sleap_package_gives_its_images(tmp_path, capsys):
    names = ["labeled-data/s/img0.png", "labeled-data/s/img1.png"]
    put_images(tmp_path, names)
    video = sio.Video.from_filename([str(tmp_path / name) for name in names])
    frames = [labelled(video, 1, POINTS, POINTS * 0 + 1), labelled(video, 0, POINTS + 1)]
    full = np.array([[3.0, 4.0], [5.0, 6.0]])
    frames[0].instances.append(sio.Instance.from_numpy(full, skeleton=SKELETON))
    sio.save_slp(
        sio.Labels(frames, [video], [SKELETON]), str(tmp_path / "l.pkg.slp"), embed=True, verbose=False
    )
    assert main(["convert", "sleap", str(tmp_path / "l.pkg.slp"), str(tmp_path / "data")]) == 0
    labels = read_labels(tmp_path / "data" / "CollectedData.csv")
    assert labels.image_paths == names[::-1]
    np.testing.assert_array_equal(labels.keypoints_px, [full, POINTS + 1])
    said = capsys.readouterr().err
    assert "1 of 2 frames show several animals" in said and "2 are left" in said
    for name in names:
        np.testing.assert_array_equal(Image.open(tmp_path / "data" / name), Image.open(tmp_path / name))


def test_symmetric_keypoints_that_a_flip_would_leave_are_named(tmp_path, caplog):
    names = ["nose", "wing2", "wing1", "eye_left", "eye_right"]
    skeleton = sio.Skeleton(names, symmetries=[("wing1", "wing2"), ("eye_right", "eye_left")])
    film = sio.Video(filename="film.mp4", open_backend=False)
    animal = sio.Instance.from_numpy(np.ones((5, 2)), skeleton=skeleton)
    frames = [sio.LabeledFrame(video=film, frame_idx=3, instances=[animal])]
    sio.save_slp(sio.Labels(frames), str(tmp_path / "fly.slp"), verbose=False)
    convert(Tool.SLEAP, tmp_path / "fly.slp", tmp_path / "labels.csv", Tool.LITPOSE, Choices())
    assert "wing2 and wing1 are symmetric" in caplog.text and "eye" not in caplog.text


def test_ours_opens_in_sleap(tmp_path):
    names = ["labeled-data/s/img0.png", "labeled-data/s/img1.png"]
    put_images(tmp_path, names)
    write_labels(Labels(names, ["nose", "tail"], np.stack([POINTS, POINTS + 1])), tmp_path / "in.csv")
    convert(Tool.LITPOSE, tmp_path / "in.csv", tmp_path / "a.pkg.slp", Tool.SLEAP, Choices())
    content = sio.load_slp(str(tmp_path / "a.pkg.slp"))
    np.testing.assert_array_equal(content.numpy(untracked=True)[:, 0], np.stack([POINTS, POINTS + 1]))
    np.testing.assert_array_equal(content[1].image, np.array(Image.open(tmp_path / names[1])))


def test_sleap_predictions_of_a_video_have_a_row_for_each_frame(tmp_path):
    video = sio.Video(filename="/films/day1.mp4", open_backend=False)
    found = sio.PredictedInstance.from_numpy(
        POINTS, skeleton=SKELETON, point_scores=np.array([0.5, 0]), score=1
    )
    frame = sio.LabeledFrame(video=video, frame_idx=2, instances=[found])
    sio.save_slp(sio.Labels([frame], [video], [SKELETON]), str(tmp_path / "p.slp"), verbose=False)
    convert(Tool.SLEAP, tmp_path / "p.slp", tmp_path / "p.csv", Tool.LITPOSE, Choices())
    predictions = read_predictions(tmp_path / "p.csv")
    assert predictions.index == [0, 1, 2] and np.isnan(predictions.keypoints_px[:2]).all()
    np.testing.assert_array_equal(predictions.keypoints_px[2], POINTS)
    with pytest.raises(UserError, match=r"one of /films/day1.mp4"):
        convert(Tool.SLEAP, tmp_path / "p.slp", tmp_path / "q.csv", Tool.LITPOSE, Choices(video="day2.mp4"))


def test_predictions_of_one_frame_twice_are_refused(tmp_path):
    video = sio.Video(filename="/films/day1.mp4", open_backend=False)
    animals = [
        sio.PredictedInstance.from_numpy(POINTS + i, skeleton=SKELETON, point_scores=np.ones(2), score=1)
        for i in range(2)
    ]
    frames = [sio.LabeledFrame(video=video, frame_idx=2, instances=[own]) for own in animals]
    sio.save_slp(sio.Labels(frames, [video], [SKELETON]), str(tmp_path / "p.slp"), verbose=False)
    with pytest.raises(UserError, match="frame 2 twice"):
        convert(Tool.SLEAP, tmp_path / "p.slp", tmp_path / "p.csv", Tool.LITPOSE, Choices())


@pytest.mark.parametrize(
    ("names", "frame", "message"),
    [(("a/0.png", "b/0.png"), {"frame_id": 5}, "frame 5 twice"), (("0.png", "0.png"), {}, "0.png twice")],
)
def test_coco_predictions_of_several_videos_are_not_taken_for_one(tmp_path, names, frame, message):
    images = [{"id": i, "file_name": name} | frame for i, name in enumerate(names)]
    points = {"category_id": 3, "score": 0.9, "keypoints": [1, 2, 2, 3, 4, 2]}
    annotations = [{"id": i, "image_id": i} | points for i in range(2)]
    path = coco_file(tmp_path, images=images, annotations=annotations)
    with pytest.raises(UserError, match=message):
        convert(Tool.COCO, path, tmp_path / "p.csv", Tool.LITPOSE, Choices())


def test_the_end_of_a_video_without_predictions_has_rows_too(tmp_path):
    video = sio.Video(
        filename="/films/day1.mp4", open_backend=False, backend_metadata={"shape": [5, 8, 10, 3]}
    )
    found = sio.PredictedInstance.from_numpy(POINTS, skeleton=SKELETON, point_scores=np.ones(2), score=1)
    frame = sio.LabeledFrame(video=video, frame_idx=2, instances=[found])
    sio.save_slp(sio.Labels([frame], [video], [SKELETON]), str(tmp_path / "p.slp"), verbose=False)
    convert(Tool.SLEAP, tmp_path / "p.slp", tmp_path / "p.csv", Tool.LITPOSE, Choices())
    assert read_predictions(tmp_path / "p.csv").index == [0, 1, 2, 3, 4]


def test_pictures_out_of_a_package_lose_next_to_nothing(tmp_path):
    name, before = "labeled-data/s/img0.jpg", np.random.default_rng(0).integers(0, 255, (40, 60, 3))
    (tmp_path / name).parent.mkdir(parents=True)
    Image.fromarray(before.astype(np.uint8)).save(tmp_path / name, quality=95)
    write_labels(Labels([name], ["nose", "tail"], POINTS[None]), tmp_path / "in.csv")
    convert(Tool.LITPOSE, tmp_path / "in.csv", tmp_path / "a.pkg.slp", Tool.SLEAP, Choices())
    convert(Tool.SLEAP, tmp_path / "a.pkg.slp", tmp_path / "data", Tool.LITPOSE, Choices())
    pictures = [np.array(Image.open(folder / name), int) for folder in (tmp_path, tmp_path / "data")]
    assert np.abs(pictures[0] - pictures[1]).max() <= 4


def test_a_package_that_names_no_films_keeps_them_apart(tmp_path):
    h5py = pytest.importorskip("h5py")
    put_images(tmp_path, ["a/img0.png", "b/img0.png"])
    videos = [sio.Video.from_filename([str(tmp_path / day / "img0.png")]) for day in "ab"]
    content = sio.Labels([labelled(video, 0, POINTS) for video in videos], videos, [SKELETON])
    sio.save_slp(content, str(tmp_path / "l.pkg.slp"), embed=True, verbose=False)
    with h5py.File(tmp_path / "l.pkg.slp", "a") as file:
        for group in ("video0", "video1"):
            del file[group]["source_video"]
    convert(Tool.SLEAP, tmp_path / "l.pkg.slp", tmp_path / "data", Tool.LITPOSE, Choices())
    for day, group in zip("ab", ("video0", "video1"), strict=True):
        picture = Image.open(tmp_path / "data" / "labeled-data" / group / "img00000000.png")
        np.testing.assert_array_equal(picture, Image.open(tmp_path / day / "img0.png"))


def test_films_of_one_name_stay_apart(tmp_path):
    films = [f"/gone/{day}/cam.mp4" for day in ("day1", "day2")]
    videos = [sio.Video(filename=film, open_backend=False) for film in films]
    frames = [labelled(video, i, POINTS) for i, video in enumerate(videos)]
    sio.save_slp(sio.Labels(frames, videos, [SKELETON]), str(tmp_path / "l.slp"), verbose=False)
    convert(Tool.SLEAP, tmp_path / "l.slp", tmp_path / "l.csv", Tool.LITPOSE, Choices())
    expected = ["labeled-data/day1-cam/img00000000.png", "labeled-data/day2-cam/img00000001.png"]
    assert read_labels(tmp_path / "l.csv").image_paths == expected
    (tmp_path / "cam.mp4").write_bytes(b"of which day?")
    with pytest.raises(UserError, match=r"day1/cam.mp4 and /gone/day2/cam.mp4 .*found one for both"):
        convert(Tool.SLEAP, tmp_path / "l.slp", tmp_path / "data", Tool.LITPOSE, Choices())
    put_images(tmp_path, ["day1/img0.png", "day2/img0.png"])
    names = ["/gone/day1/img0.png", "/gone/day2/img0.png"]
    told = {"type": "ImageVideo", "filename": names[0], "filenames": names}
    pictures = sio.Video(filename=names, open_backend=False, backend_metadata=told)
    content = sio.Labels([labelled(pictures, i, POINTS) for i in (0, 1)], [pictures], [SKELETON])
    sio.save_slp(content, str(tmp_path / "p.slp"), verbose=False)
    convert(Tool.SLEAP, tmp_path / "p.slp", tmp_path / "data", Tool.LITPOSE, Choices(image_dir=tmp_path))
    for day in ("day1", "day2"):
        copied = tmp_path / "data" / "labeled-data" / day / "img0.png"
        assert copied.read_bytes() == (tmp_path / day / "img0.png").read_bytes()


def test_whole_paths_become_places_in_the_data_folder(tmp_path):
    put_images(tmp_path, ["far/away/a.png"])
    video = sio.Video.from_filename([str(tmp_path / "far" / "away" / "a.png")])
    content = sio.Labels([labelled(video, 0, POINTS)], [video], [SKELETON])
    sio.save_slp(content, str(tmp_path / "l.slp"), verbose=False)
    convert(Tool.SLEAP, tmp_path / "l.slp", tmp_path / "data", Tool.LITPOSE, Choices())
    assert (tmp_path / "data" / "labeled-data" / "away" / "a.png").is_file()


def test_deeplabcut_hdf5(tmp_path):
    columns = pd.MultiIndex.from_product(
        [["DLC_net"], ["nose", "tail"], ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    cells = np.arange(12.0).reshape(2, 6) / 10
    pd.DataFrame(cells, columns=columns).to_hdf(
        tmp_path / "p.h5", key="df_with_missing", format="table", mode="w"
    )
    convert(Tool.DLC, tmp_path / "p.h5", tmp_path / "p.csv", Tool.LITPOSE, Choices())
    predictions = read_predictions(tmp_path / "p.csv")
    assert predictions.index == [0, 1] and predictions.scorer == "DLC_net"
    np.testing.assert_array_equal(predictions.confidence, cells[:, 2::3])


def test_infinite_cells_of_hdf5_are_refused_as_those_of_csv_are(tmp_path):
    columns = pd.MultiIndex.from_product(
        [["net"], ["beak", "tail"], ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    cells = [[1.0, 2.0, 1.0, np.nan, -np.inf, 0.5]]
    pd.DataFrame(cells, columns=columns).to_hdf(tmp_path / "p.h5", key="df_with_missing", mode="w")
    with pytest.raises(UserError, match=r"p\.h5, 0, tail y: expected a number or none, found -inf"):
        convert(Tool.DLC, tmp_path / "p.h5", tmp_path / "p.csv", Tool.LITPOSE, Choices())


def test_hdf5_for_deeplabcut_opens_in_pandas_2_too(tmp_path):
    import tables

    found = Predictions([0, 1], ["nose"], np.ones((2, 1, 2)), np.ones((2, 1)))
    write_predictions(found, tmp_path / "p.csv")
    convert(Tool.LITPOSE, tmp_path / "p.csv", tmp_path / "p.h5", Tool.DLC, Choices())
    with tables.open_file(str(tmp_path / "p.h5")) as file:  # it fails on what pandas 3 calls "frame_table"
        assert file.root.df_with_missing._v_attrs.pandas_type == "frame"


def test_a_deeplabcut_project_and_back(tmp_path):
    names = ["labeled-data/a/img0.png", "labeled-data/b/img1.png"]
    put_images(tmp_path, names)
    before = Labels(names, ["nose", "tail"], np.stack([POINTS, POINTS + 1]), scorer="me")
    write_labels(before, tmp_path / "in.csv")
    convert(Tool.LITPOSE, tmp_path / "in.csv", tmp_path / "project", Tool.DLC, Choices())
    session = tmp_path / "project" / "labeled-data" / "a"
    csv = pd.read_csv(session / "CollectedData_me.csv", index_col=[0, 1, 2], header=[0, 1, 2])
    stored = pd.read_hdf(session / "CollectedData_me.h5")
    np.testing.assert_array_equal(csv.to_numpy(), stored.to_numpy())
    assert list(stored.index) == [("labeled-data", "a", "img0.png")] == list(csv.index)
    convert(Tool.DLC, tmp_path / "project", tmp_path / "data", Tool.LITPOSE, Choices())
    back = read_labels(tmp_path / "data" / "CollectedData.csv")
    assert back.image_paths == names
    np.testing.assert_array_equal(back.keypoints_px, before.keypoints_px)


def test_ours_opens_in_pycocotools(tmp_path):
    names = ["labeled-data/a/img0.png", "labeled-data/b/img1.png"]
    put_images(tmp_path, names)
    write_labels(Labels(names, ["nose", "tail"], np.stack([POINTS, POINTS + 1])), tmp_path / "in.csv")
    convert(Tool.LITPOSE, tmp_path / "in.csv", tmp_path / "a.json", Tool.COCO, Choices())
    opened = coco.COCO(str(tmp_path / "a.json"))
    images = opened.loadImgs(opened.getImgIds())
    assert [(image["file_name"], image["width"], image["height"]) for image in images] == [
        (name, 10, 8) for name in names
    ]
    (entry,) = opened.loadAnns(opened.getAnnIds(imgIds=images[0]["id"]))
    assert entry["keypoints"] == [1.25, 2, 2, 0, 0, 0] and entry["num_keypoints"] == 1


def coco_file(folder, **changes):
    content = {
        "images": [{"id": 7, "file_name": "s/a.png"}, {"id": 8, "file_name": "s/none.png"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "keypoints": [1, 2, 2, 4, 5, 1]},
            {"id": 2, "image_id": 8, "category_id": 3, "keypoints": [1, 2, 2, 0, 0, 0]},
        ],
        "categories": [{"id": 3, "name": "mouse", "keypoints": ["nose", "tail"]}, {"id": 4, "name": "box"}],
    }
    put_images(folder, ["s/a.png"])
    (folder / "a.json").write_text(json.dumps(content | changes))
    return folder / "a.json"


def test_missing_images_are_refused_or_left(tmp_path, caplog):
    path = coco_file(tmp_path)
    with pytest.raises(UserError, match=r"s/none.png: expected a labelled image"):
        convert(Tool.COCO, path, tmp_path / "data", Tool.LITPOSE, Choices())
    assert not (tmp_path / "data").exists()
    convert(Tool.COCO, path, tmp_path / "data", Tool.LITPOSE, Choices(skip_missing=True))
    labels = read_labels(tmp_path / "data" / "CollectedData.csv")
    assert labels.image_paths == ["s/a.png"] and labels.visible.tolist() == [[2, 1]]
    assert "1 frames are left" in caplog.text


def test_a_flag_of_another_tool_is_no_list_of_coco(tmp_path):
    found = {"id": 1, "image_id": 7, "category_id": 3, "keypoints": [1, 2, 2, 0, 0, 0], "occluded": 1}
    convert(Tool.COCO, coco_file(tmp_path, annotations=[found]), tmp_path / "l.csv", Tool.LITPOSE, Choices())
    assert read_labels(tmp_path / "l.csv").visible is None


def test_what_coco_does_not_predict_has_no_confidence(tmp_path):
    found = {"id": 1, "image_id": 7, "category_id": 3, "score": 0.9, "keypoints": [1, 2, 2, 0, 0, 0]}
    path = coco_file(tmp_path, annotations=[found])
    convert(Tool.COCO, path, tmp_path / "p.csv", Tool.LITPOSE, Choices())
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.csv").confidence, [[0.9, np.nan]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 7, "file_name": "../a.png"}, {"id": 8, "file_name": "b.png"}]}, "inside"),
        ({"images": [{"id": 7, "file_name": "/etc/a.png"}, {"id": 8, "file_name": "b.png"}]}, "inside"),
        ({"images": [{"id": 7, "file_name": "C:\\a.png"}, {"id": 8, "file_name": "b.png"}]}, "inside"),
        ({"images": [{"id": 8, "file_name": "b.png"}]}, r"annotations\[0\]: expected the id of an image"),
        ({"categories": [{"id": 3, "name": "mouse"}]}, "one with keypoints"),
        ({"categories": [{"id": 3, "name": "m", "keypoints": ["n"]}]}, "expected 3 keypoints, found 6"),
        (
            {"categories": [{"id": 3, "name": "m", "keypoints": ["n", "n"]}]},
            "keypoints: expected a list of diff",
        ),
        ({"categories": [{"id": 3, "name": "m", "keypoints": 5}]}, "keypoints: expected a list of different"),
        ({"images": [{"id": 7, "file_name": "a.png", "box_looked_at": [1, 2]}]}, "expected four numbers"),
        ({"annotations": None}, "annotations: expected a list"),
        ({"annotations": []}, "expected one with keypoints, found none"),
    ],
)
def test_what_is_wrong_in_coco_is_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        convert(Tool.COCO, coco_file(tmp_path, **changes), tmp_path / "data", Tool.LITPOSE, Choices())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("tool", ["sleap", "coco", "dlc", "litpose"])
def test_files_that_are_none_exit_with_2(tmp_path, capsys, tool):
    source = tmp_path / {"dlc": "a.h5"}.get(tool, "a.file")
    for content in (None, b"\x00 nothing"):
        if content is not None:
            source.write_bytes(content)
        assert main(["convert", tool, str(source), str(tmp_path / "out.csv")]) == 2
        assert str(source) in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_unknown_skeletons_and_suffixes(tmp_path):
    with pytest.raises(UserError, match="--skeleton: expected mouse, found rat"):
        convert(Tool.COCO, coco_file(tmp_path), tmp_path / "d", Tool.LITPOSE, Choices(skeleton="rat"))
    with pytest.raises(UserError, match=r"expected .slp, for sleap, found .json"):
        convert(Tool.COCO, coco_file(tmp_path), tmp_path / "d.json", Tool.SLEAP, Choices())


def test_frames_without_labels_open_in_each_tool_to_be_labelled(tmp_path):
    names = ["labeled-data/film/img0.png", "labeled-data/film/img1.png"]
    put_images(tmp_path, names)
    write_labels(
        Labels(names, ["nose", "tail"], np.full((2, 2, 2), np.nan), scorer="me"), tmp_path / "in.csv"
    )
    for tool, name in ((Tool.DLC, "project"), (Tool.SLEAP, "next.pkg.slp"), (Tool.COCO, "next.json")):
        convert(Tool.LITPOSE, tmp_path / "in.csv", tmp_path / name, tool, Choices())
    session = tmp_path / "project" / "labeled-data" / "film"
    stored = pd.read_hdf(session / "CollectedData_me.h5")
    assert stored.shape == (2, 4) and stored.isna().all(axis=None) and (session / "img1.png").is_file()
    content = sio.load_slp(str(tmp_path / "next.pkg.slp"))
    assert len(content) == 2 and content.skeleton.node_names == ["nose", "tail"]
    np.testing.assert_array_equal(content[1].image, np.array(Image.open(tmp_path / names[1])))
    opened = coco.COCO(str(tmp_path / "next.json"))
    assert [image["file_name"] for image in opened.loadImgs(opened.getImgIds())] == names
    assert opened.loadCats(opened.getCatIds())[0]["keypoints"] == ["nose", "tail"]
