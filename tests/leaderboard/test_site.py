"""The site without a browser: what its files say, that no name acts, that nothing leads outside the folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from facebench.cli import execute
from facebench.record import SamplesRecord, write_results
from leaderboard.load import Loaded, load
from leaderboard.site import plots, words
from leaderboard.site.build import build, environment, script
from leaderboard.site.entries import slug
from leaderboard.site.plots import Scale, bar, scale_of, shares, ticks
from tests.leaderboard.records import record, score
from tests.leaderboard.sites import HOSTILE, Page, landmarks, make_site, results, write_runs
from tests.test_project import HEAVY, loaded_by


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return make_site(tmp_path_factory.mktemp("made"), results())


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Page]:
    return {str(file.relative_to(site)): Page(file) for file in sorted(site.rglob("*.html"))}


def model_page(pages, name: str) -> Page:
    (found,) = (page for path, page in pages.items() if path.startswith(f"model/{slug(name, '')[:-9]}-"))
    return found


def test_there_is_a_page_a_benchmark_and_a_model(pages, site):
    assert {
        "index.html",
        "about.html",
        "compare.html",
        "benchmark/wflw-test-nme-ioc.html",
        "benchmark/lapa-test-mean-fg10-f1.html",
    } <= set(pages)
    models = [path for path in pages if path.startswith("model/")]
    # vit_base and resnet50 are on two benchmarks but one page each.
    assert len(models) == len(results()) - 2
    assert {Path(path).stem for path in models} == {file.stem for file in (site / "data").iterdir()}


def test_every_address_is_relative_and_leads_to_a_file(pages, site):
    seen = 0
    for path, page in pages.items():
        for tag, attributes in page.elements:
            for name in ("href", "src", "action", "data", "poster", "srcset", "formaction", "xlink:href"):
                if (address := attributes.get(name)) is None:
                    continue
                parts = urlsplit(address)
                assert (parts.scheme, parts.netloc) == ("", ""), f"{path}: <{tag} {name}={address}>"
                if parts.path:
                    target = (site / path).parent.joinpath(unquote(parts.path)).resolve()
                    assert target.is_relative_to(site.resolve())
                    assert target.is_file(), f"{path}: {address}"
                seen += 1
    assert seen > 100


def test_no_page_has_a_script_or_a_style_of_its_own(pages):
    for path, page in pages.items():
        for tag, attributes in page.elements:
            assert tag not in ("style", "iframe", "object", "embed", "base"), path
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (path, tag)
            if tag == "script":
                assert re.fullmatch(r"(\.\./)?static/\w+\.js", attributes["src"]), path
        policy = [a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a]
        assert len(policy) == 1
        assert "default-src 'none'" in policy[0]
        assert "unsafe" not in policy[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown_as_it_is_written(pages, site, name):
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    assert " ".join(shown.split()) in pages["benchmark/wflw-test-nme-ioc.html"].text
    assert " ".join(shown.split()) in pages["index.html"].text
    for page in pages.values():
        assert "x" not in [a.get("src") for _, a in page.elements]
    data = [file.read_text(encoding="ascii") for file in (site / "data").iterdir()]
    assert not any("<" in text for text in data)
    assert any(json.loads(text.partition("(")[2].removesuffix(");\n"))["name"] == shown for text in data)


def test_ranks_stay_inside_a_signature(pages, site):
    text = (site / "benchmark/wflw-test-nme-ioc.html").read_text()
    bodies = text.split("<tbody")[1:]
    assert len(bodies) == 2
    firsts = [body for body in bodies if ">swin_<wbr>tiny</a>" in body]
    assert len(firsts) == 1
    assert firsts[0].count('<span class="rank">') == 1, "alone in its table"
    assert "in 2 ways that may not be compared" in text


def test_a_tie_an_unranked_row_and_badges_are_seen(pages, site):
    rows = (site / "benchmark/wflw-test-nme-ioc.html").read_text().split("<tr data-row")
    (vit,) = (row for row in rows if ">vit_<wbr>base</a>" in row)
    (near,) = (row for row in rows if ">resnet50</a>" in row)
    (half,) = (row for row in rows if ">half</a>" in row)
    (swin,) = (row for row in rows if ">swin_<wbr>tiny</a>" in row)
    assert ">1–2</span>" in vit
    assert ">1–2</span>" in near
    assert "incomplete" in half
    assert "2,490 of 2,500" in half
    assert '<span class="rank">' not in half
    assert "test-selected" in swin
    assert "4.00" in vit
    assert "[3.90, 4.10]" in vit


def test_a_model_page_has_its_parts_and_its_place_in_the_field(pages):
    text = model_page(pages, "vit_base").text
    assert "its samples leave ranks 1 to 2 open" in text
    assert "rank 1 of 2" in text
    assert "yaw nme-ioc ↓ %" in text
    assert "subsets nme-ioc ↓ %" in text
    assert "classes f1 ↑ %" in text
    assert "profile" in text
    assert "Share of faces (%)" in text, "its errors lie beside the record"
    assert "features were streamed" in model_page(pages, "convnext_tiny").text
    assert "Share of faces (%)" not in model_page(pages, "convnext_tiny").text


def test_the_numbers_of_the_compare_view_are_whole(site):
    (file,) = (file for file in (site / "data").iterdir() if file.stem.startswith("resnet50"))
    call, _, payload = file.read_text().partition("(")
    assert call == "facebenchModel"
    scores = {s[0]: s[1:] for e in json.loads(payload.removesuffix(");\n"))["entries"] for s in e["scores"]}
    assert scores["wflw/test/all/nme-ioc"] == [4.05, 4.05 - 0.1, 4.05 + 0.1, 2500, "%", "lower", 2]
    assert scores["lapa/test/skin/f1"] == [92.0, None, None, 2000, "%", "higher", 2]


def test_the_same_records_give_the_same_bytes(site, tmp_path):
    again = make_site(tmp_path, results())
    files = [file for file in sorted(site.rglob("*")) if file.is_file()]
    assert [f.relative_to(site) for f in files] == [
        f.relative_to(again) for f in sorted(again.rglob("*")) if f.is_file()
    ]
    for file in files:
        assert file.read_bytes() == (again / file.relative_to(site)).read_bytes(), file


def test_a_site_is_written_over_and_another_folder_is_not(tmp_path, capsys):
    write_results(tmp_path / "one.json", [record("first")])
    write_results(tmp_path / "two.json", [record("second")])
    out = tmp_path / "site"
    for name in ("one", "two"):
        assert execute(["leaderboard", str(tmp_path / f"{name}.json"), "--format", "html", "-o", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out / "index.html")] * 2
    assert [file.stem.rpartition("-")[0] for file in (out / "model").iterdir()] == ["second"]
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").touch()
    assert execute(["leaderboard", str(tmp_path / "one.json"), "--format", "html", "-o", str(other)]) == 2
    assert [file.name for file in other.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("arguments", [[], ["-o", "FILE"]])
def test_a_site_without_a_folder_is_exit_2(tmp_path, arguments):
    file = tmp_path / "one.json"
    write_results(file, [record("first")])
    named = [str(file) if a == "FILE" else a for a in arguments]
    assert execute(["leaderboard", str(file), "--format", "html", *named]) == 2


def test_a_site_of_records_alone_loads_nothing_heavy(tmp_path):
    file = tmp_path / "one.json"
    write_results(file, [record("first")])
    arguments = ["leaderboard", str(file), "--format", "html", "-o", str(tmp_path / "site")]
    assert loaded_by(f"from facebench.cli import execute; assert execute({arguments!r}) == 0").isdisjoint(HEAVY)


def test_shares_of_hand_made_errors():
    # Steps of 0.1 %: 0.0005 lies above step 0, at or below step 1 (0.001); 0.05 is step 50; 0.3 is never reached.
    found = shares([0.0, 0.0005, 0.05, 0.3])
    assert (len(found), found[0], found[1], found[49], found[50], found[100]) == (101, 25.0, 50.0, 50.0, 75.0, 75.0)
    assert plots.curve("a", [0.0, 50.0, 100.0], own=True).points == "0,100 50,50 100,0"


def test_samples_that_are_not_those_of_the_record_draw_no_curve(tmp_path):
    loaded = load([write_runs(tmp_path, [landmarks("a", 4.0)])])
    (good,) = loaded
    assert plots.cumulative(good, "error-ioc")[-1] == pytest.approx(100 * 21 / 41)
    assert plots.cumulative(good, "error-box") is None
    other = SamplesRecord(path="s.parquet", sha256="0" * 64, rows=41)
    assert plots.cumulative(Loaded(good.result.model_copy(update={"samples": other}), good.file), "error-ioc") is None


def test_a_scale_holds_every_end_and_marks_what_lies_outside():
    scale = scale_of([score(value=4.0, interval=(3.0, 5.0)), score(value=None), None])
    assert (scale.low, scale.high) == (pytest.approx(2.92), pytest.approx(5.08))
    inside, outside = bar(scale, score(value=4.0, interval=(3.0, 5.0))), bar(scale, score(value=9.0))
    assert (inside.value, inside.beyond) == (50.0, "")
    assert (outside.value, outside.beyond) == (100.0, "right")
    assert bar(scale, None) is None
    assert [tick.label for tick in ticks(Scale(2.92, 5.08))] == ["3", "4", "5"]
    assert [tick.label for tick in ticks(Scale(0.0, 0.5))] == ["0.0", "0.2", "0.4"]
    assert ticks(Scale(1.0, 1.0)) == ()


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "resnet50", "IR-ResNet50", "swin_tiny", "unheard-of"])
def test_family(name):
    expected = {"vit": "ViT", "res": "ResNet", "IR-": "ResNet", "swi": "Swin", "unh": "other"}
    assert words.family(name) == expected[name[:3]]


def test_a_script_ends_where_it_should():
    text = script("f", {"a": "</script>\u2028"})
    assert text == 'f({"a":"\\u003c/script>\\u2028"});\n'
    assert json.loads(text[2:-3]) == {"a": "</script>\u2028"}


def test_templates_escape_and_do_not_guess():
    env = environment()
    assert env.from_string("{{ a }}").render(a="<b>") == "&lt;b&gt;"
    with pytest.raises(Exception, match="'b' is undefined"):
        env.from_string("{{ b }}").render()


def test_every_field_of_a_signature_is_explained():
    page = Path(__file__).parents[2].joinpath("docs", "records.md").read_text(encoding="utf-8")
    table = page.partition("## Signature")[2].partition("\n\n## ")[0]
    fields = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert len(fields) > 8
    assert set(fields) <= set(words.SIGNATURE)


def test_a_site_that_cannot_be_written_is_exit_3(tmp_path):
    from facebench.errors import DataError

    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write the site"):
        build([Loaded(record("a"), tmp_path / "r.json")], tmp_path / "file" / "site")
