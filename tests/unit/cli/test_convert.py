"""`litpose convert dlc`."""

from PIL import Image

from lightning_pose.cli.main import main


def test_convert(tmp_path, capsys):
    folder = tmp_path / "p" / "labeled-data" / "s"
    folder.mkdir(parents=True)
    Image.new("L", (9, 9)).save(folder / "img0.png")
    (folder / "CollectedData_s.csv").write_text(
        "scorer,s,s\nbodyparts,n,n\ncoords,x,y\nlabeled-data/s/img0.png,1,2\n"
    )
    assert main(["convert", "dlc", str(tmp_path / "p"), str(tmp_path / "d")]) == 0
    assert (tmp_path / "d" / "CollectedData.csv").is_file()
    assert not (tmp_path / "d" / "CollectedData_new.csv").exists()
    assert main(["convert", "dlc", str(tmp_path / "none"), str(tmp_path / "e")]) == 2
    assert "DeepLabCut project" in capsys.readouterr().err
