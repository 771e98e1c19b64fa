"""A linha de comando, como uma pessoa a usa."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import cli, metrics, recipes
from course_lib.data import hollow, load_embedded_digits
from course_lib.data.photos import read_photo, to_image, to_signed
from course_lib.recipes import engine
from course_lib.weights import load_trained


@pytest.fixture(autouse=True)
def small_world(tmp_path, monkeypatch):
    """Cache vazio, perfil rápido e os dígitos embutidos, sem tocar na rede."""
    monkeypatch.setenv("CURSO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CURSO_PERFIL", "rapido")
    for module in ("recipes.engine", "cli"):
        monkeypatch.setattr(f"course_lib.{module}.load_mnist", lambda split: load_embedded_digits(split).take(256))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["autoencoder", "vae", "gan"])
def test_train_then_sample(name, tmp_path, capsys):
    assert cli.main(["treinar", name, "--saida", "pesos"]) == 0
    assert (tmp_path / "pesos" / f"{name}.safetensors").exists()
    assert not list((tmp_path / "pesos").glob("*.ckpt"))
    assert cli.main(["amostrar", name, "--n", "5", "--pesos", "pesos", "--saida", "a.npz"]) == 0
    x = np.load("a.npz")["x"]
    assert x.shape == (5, 1, 28, 28)
    assert x.dtype == np.float32
    assert np.abs(x).max() <= 1
    assert x.std() > 0
    assert "dígitos embutidos" in capsys.readouterr().out


def test_sampling_without_training_uses_the_weights_of_the_course_and_is_reproducible(capsys):
    assert cli.main(["amostrar", "vae", "--n", "3", "--saida", "a.npz", "--semente", "4"]) == 0
    assert "treinado em MNIST (treino)" in capsys.readouterr().out
    assert cli.main(["amostrar", "vae", "--n", "3", "--saida", "b.npz", "--semente", "4"]) == 0
    np.testing.assert_array_equal(np.load("a.npz")["x"], np.load("b.npz")["x"])
    assert cli.main(["amostrar", "vae", "--n", "3", "--saida", "c.npz", "--semente", "5"]) == 0
    assert not np.array_equal(np.load("a.npz")["x"], np.load("c.npz")["x"])


def test_your_own_weights_come_before_those_of_the_course(capsys):
    assert cli.main(["treinar", "vae"]) == 0
    assert cli.main(["amostrar", "vae", "--n", "3"]) == 0
    assert "treinado em dígitos embutidos" in capsys.readouterr().out


def test_a_folder_without_weights_is_an_error_when_you_chose_it(tmp_path, capsys):
    assert cli.main(["amostrar", "vae", "--n", "3", "--pesos", str(tmp_path)]) == 1
    assert "não achei" in capsys.readouterr().err


def test_the_card_carries_what_was_measured(tmp_path):
    assert cli.main(["treinar", "autoencoder", "--saida", "pesos"]) == 0
    step, card = load_trained(tmp_path / "pesos", "autoencoder")
    test = load_embedded_digits("test").take(256)
    expected = metrics.reconstruction_error(step.model, test.images)
    assert card.metrics == {"erro quadrático por imagem de teste": pytest.approx(expected, rel=1e-4)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["treinar", "stylegam"], "veio 'stylegam'; as opções são"),
        (["treinar"], "faltou informar: NOME"),
        (["amostrar", "vae", "--n", "0"], "esperava um inteiro maior que zero"),
        (["amostrar", "vae", "--n", "-3"], "esperava"),
        (["amostrar", "vae", "--n", "dez"], "esperava um inteiro maior que zero"),
        (["treinar", "vae", "--perfil", "lento"], "rapido"),
        (["treinar", "vae", "--cor", "azul"], "argumentos que não conheço"),
        ([], "faltou informar: comando"),
    ],
)
def test_usage_errors_are_in_portuguese(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "usage" not in error
    assert "error:" not in error


@pytest.mark.parametrize(
    ("command", "known", "absent"),
    [
        (["treinar", "vaee"], list(recipes.RECIPES), []),
        (["amostrar", "vaee"], ["autoencoder", "vae", "flows"], ["judge", "cyclegan"]),
        (["traduzir", "vaee", "--entrada", "a", "--saida", "b"], ["cyclegan", "cyclegan_photos"], ["vae"]),
    ],
)
def test_an_unknown_family_lists_the_known_ones(command, known, absent, capsys):
    with pytest.raises(SystemExit):
        cli.main(command)
    _, _, options = capsys.readouterr().err.partition("veio 'vaee'; as opções são ")
    listed = options.strip().replace("'", "").split(", ")
    assert set(known) <= set(listed)
    assert not set(absent) & set(listed)


def test_weights_of_another_configuration_are_said_in_one_line(tmp_path, monkeypatch, capsys):
    recipe = recipes.RECIPES["autoencoder"]
    free = {"model": {**recipe.config.networks["model"], "relu_code": False}}
    other = replace(recipe, config=replace(recipe.config, networks=free))
    monkeypatch.setitem(recipes.RECIPES, "autoencoder", other)
    assert cli.main(["amostrar", "autoencoder", "--n", "3"]) == 1
    assert "model.relu_code: veio True, esperava False" in capsys.readouterr().err


def test_the_checkpoints_of_the_layers_go_away_and_only_they(tmp_path):
    (tmp_path / "pesos").mkdir()
    (tmp_path / "pesos" / "stacked-rapido-0-camada9.ckpt").write_text("de outra pessoa")
    assert cli.main(["treinar", "stacked", "--saida", "pesos"]) == 0
    assert [path.name for path in (tmp_path / "pesos").glob("*.ckpt")] == ["stacked-rapido-0-camada9.ckpt"]


def test_unknown_profile_in_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("CURSO_PERFIL", "lento")
    assert cli.main(["treinar", "vae"]) == 1
    assert "perfil desconhecido: 'lento'" in capsys.readouterr().err


def test_unwritable_output_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "arquivo").write_text("não sou pasta")
    assert cli.main(["treinar", "vae", "--saida", "arquivo/pesos"]) == 1
    error = capsys.readouterr().err
    assert "não consegui" in error
    assert "Traceback" not in error


def test_help_is_in_portuguese_and_needs_no_data():
    result = subprocess.run(
        [sys.executable, "-m", "course_lib", "amostrar", "--help"], capture_output=True, text=True, check=True
    )
    assert "uso:" in result.stdout
    assert "opções:" in result.stdout
    assert "show this help" not in result.stdout


# --- a tradução ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cyclegan(tmp_path, monkeypatch):
    """Pesos de uma CycleGAN mal treinada, e uma pasta com três dígitos, um deles grande e colorido."""
    monkeypatch.setitem(recipes.RECIPES, "cyclegan", smaller(recipes.RECIPES["cyclegan"], n_downs=0))
    assert cli.main(["treinar", "cyclegan", "--saida", "pesos"]) == 0
    digits = load_embedded_digits("test").images
    (tmp_path / "fotos").mkdir()
    for index in range(2):
        to_image(digits[index]).save(tmp_path / "fotos" / f"{index}.png")
    to_image(digits[2]).resize((90, 70)).convert("RGB").save(tmp_path / "fotos" / "grande.jpg")
    return tmp_path / "pesos"


def smaller(recipe, *, n_downs):
    """A mesma receita, com redes que treinam num instante."""
    own = {"gen": {"width": 4, "n_blocks": 1, "n_downs": n_downs}, "disc": {"width": 4, "n_downs": 1}}
    networks = {
        part: {**arguments, **own[part.partition("_")[0]]} for part, arguments in recipe.config.networks.items()
    }
    return replace(recipe, config=replace(recipe.config, networks=networks))


@pytest.mark.parametrize(("direction", "name"), [("xy", "gen_xy"), ("yx", "gen_yx")])
def test_translate_a_folder(cyclegan, tmp_path, capsys, direction, name):
    arguments = ["traduzir", "cyclegan", "--entrada", "fotos", "--saida", "nova/pasta", "--pesos", "pesos"]
    assert cli.main([*arguments, "--sentido", direction]) == 0
    out = capsys.readouterr().out
    assert "3 imagens de fotos traduzidas" in out
    assert "dígitos embutidos" in out
    assert sorted(path.name for path in (tmp_path / "nova" / "pasta").iterdir()) == ["0.png", "1.png", "grande.png"]
    generator = getattr(load_trained(cyclegan, "cyclegan")[0], name)
    for index, x in enumerate(load_embedded_digits("test").images[:2]):
        with Image.open(tmp_path / "nova" / "pasta" / f"{index}.png") as file:
            assert file.mode == "L"
            found = np.asarray(file)
        with torch.no_grad():
            np.testing.assert_array_equal(found, np.asarray(to_image(generator(x[None])[0])))


def test_translate_goes_from_x_to_y_by_default(cyclegan, tmp_path):
    base = ["traduzir", "cyclegan", "--entrada", "fotos", "--pesos", "pesos"]
    for folder, direction in (("a", []), ("b", ["--sentido", "xy"]), ("c", ["--sentido", "yx"])):
        assert cli.main([*base, "--saida", folder, *direction]) == 0
    a, b, c = ((tmp_path / folder / "0.png").read_bytes() for folder in "abc")
    assert a == b != c


def test_translation_that_cannot_be_done_is_said_in_one_line(cyclegan, tmp_path, capsys):
    (tmp_path / "vazia").mkdir()
    (tmp_path / "arquivo").write_text("não sou pasta")

    def fails(*arguments) -> str:
        assert cli.main(["traduzir", "cyclegan", "--pesos", "pesos", *arguments]) == 1
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error

    assert "a pasta não tem imagens" in fails("--entrada", "vazia", "--saida", "s")
    assert "não achei esta pasta" in fails("--entrada", "nenhuma", "--saida", "s")
    assert "é a de entrada" in fails("--entrada", "fotos", "--saida", "./fotos")
    assert "não consegui" in fails("--entrada", "fotos", "--saida", "arquivo/s")
    (tmp_path / "fotos" / "ruim.png").write_bytes(b"nada")
    assert "ruim.png: não é uma imagem" in fails("--entrada", "fotos", "--saida", "s")
    (tmp_path / "fotos" / "grande.png").write_bytes(b"nada")
    assert "dariam o mesmo grande.png" in fails("--entrada", "fotos", "--saida", "s")


def test_the_card_of_the_translation_carries_the_pairs(cyclegan):
    step, card = load_trained(cyclegan, "cyclegan")
    test = load_embedded_digits("test").take(256).images
    with torch.no_grad():
        expected = metrics.ssim(step.gen_xy(test), hollow(test)).mean().item()
    assert card.metrics["SSIM de X→Y com o par de teste"] == pytest.approx(expected, rel=1e-3)
    assert card.dataset.shape == [1, 28, 28]


@pytest.mark.parametrize("name", ["cyclegan", "cyclegan_photos"])
def test_two_folders_of_photos_train_and_translate(name, tmp_path, monkeypatch, capsys):
    small = smaller(recipes.RECIPES["cyclegan_photos"], n_downs=1)
    monkeypatch.setitem(recipes.RECIPES, "cyclegan_photos", small)
    for folder, color, n in (("x", "red", 3), ("y", "blue", 2)):
        (tmp_path / folder).mkdir()
        for index in range(n):
            Image.new("RGB", (30 + 9 * index, 50), color).save(tmp_path / folder / f"{index}.png")
    folders = ["--dominio-x", "x", "--dominio-y", "y", "--tamanho", "16", "--saida", "pesos"]
    assert cli.main(["treinar", name, *folders]) == 0
    assert not list((tmp_path / "pesos").glob("*.ckpt"))
    assert "fotos (X: x, 3; Y: y, 2)" in capsys.readouterr().out
    step, card = load_trained(tmp_path / "pesos", "cyclegan_photos")
    assert card.dataset.shape == [3, 16, 16]
    assert card.dataset.images == 5
    assert card.metrics == {}
    assert cli.main(["traduzir", "cyclegan_photos", "--entrada", "x", "--saida", "s", "--pesos", "pesos"]) == 0
    x = to_signed(read_photo(tmp_path / "x" / "1.png", 16))
    with torch.no_grad():
        expected = np.asarray(to_image(step.gen_xy(x[None])[0]))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "s" / "1.png")), expected)


def test_interrupted_photos_are_not_resumed_with_others(tmp_path, monkeypatch, capsys):
    small = smaller(recipes.RECIPES["cyclegan_photos"], n_downs=1)
    monkeypatch.setitem(recipes.RECIPES, "cyclegan_photos", replace(small, scales={"rapido": recipes.Scale(2)}))
    for folder, color in (("x", "red"), ("y", "blue"), ("z", "green")):
        (tmp_path / folder).mkdir()
        for index in range(2):
            Image.new("RGB", (30, 30), color).save(tmp_path / folder / f"{index}.png")
    real, interruptions = engine.fit, [KeyboardInterrupt]

    class Interrupts:
        def on_epoch(self, epoch, history):
            if interruptions:
                raise interruptions.pop()

    monkeypatch.setattr(engine, "fit", lambda *args, **options: real(*args, **options, callbacks=[Interrupts()]))

    def training(x: str, y: str, size: int) -> int:
        options = ["--dominio-x", x, "--dominio-y", y, "--tamanho", str(size), "--saida", "pesos"]
        return cli.main(["treinar", "cyclegan_photos", *options])

    assert training("x", "y", 16) == 130
    for other in (("x", "z", 16), ("y", "x", 16), ("x", "y", 24)):
        capsys.readouterr()
        assert training(*other) == 1
        error = capsys.readouterr().err
        assert "foi gravado com outros dados" in error
        assert "Traceback" not in error
    assert training("x", "y", 16) == 0
    assert load_trained(tmp_path / "pesos", "cyclegan_photos")[1].dataset.name == "fotos (X: x, 2; Y: y, 2)"


@pytest.fixture
def noisy_folders(tmp_path, monkeypatch):
    """Duas pastas de fotos, e a receita delas com redes pequenas e três épocas."""
    small = smaller(recipes.RECIPES["cyclegan_photos"], n_downs=1)
    monkeypatch.setitem(recipes.RECIPES, "cyclegan_photos", replace(small, scales={"rapido": recipes.Scale(3)}))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 20, 20, 3), dtype=np.uint8)
    for folder, photos in zip("xy", pixels, strict=True):
        (tmp_path / folder).mkdir()
        for index, one in enumerate(photos):
            Image.fromarray(one).save(tmp_path / folder / f"{index}.png")
    return ["treinar", "cyclegan", "--dominio-x", "x", "--dominio-y", "y", "--tamanho", "16"]


def after_the_first_epoch(monkeypatch, happens):
    """Faz ``happens()`` acontecer ao fim da primeira época de cada treinamento."""
    real = engine.fit

    class Hook:
        def on_epoch(self, epoch, history):
            if epoch == 1:
                happens()

    monkeypatch.setattr(engine, "fit", lambda *args, **options: real(*args, **options, callbacks=[Hook()]))


def test_a_photo_lost_in_the_middle_is_named_and_the_training_resumes(noisy_folders, tmp_path, monkeypatch, capsys):
    assert cli.main([*noisy_folders, "--leitores", "0", "--saida", "inteiro"]) == 0
    photo = tmp_path / "x" / "2.png"
    content = photo.read_bytes()
    after_the_first_epoch(monkeypatch, lambda: photo.write_bytes(content[:-100]))
    again = [*noisy_folders, "--leitores", "2", "--saida", "pesos"]
    capsys.readouterr()
    assert cli.main(again) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    (checkpoint,) = (tmp_path / "pesos").glob("*.ckpt")
    assert error.startswith("erro: x/2.png: o arquivo está estragado ou incompleto")
    assert f"o checkpoint em pesos/{checkpoint.name} permite retomar" in error
    photo.write_bytes(content)
    assert cli.main(again) == 0
    # Com outro número de leitores, interrompido e retomado: os mesmos pesos, bit a bit.
    assert len({(tmp_path / made / "cyclegan_photos.safetensors").read_bytes() for made in ("inteiro", "pesos")}) == 1


def test_a_reader_killed_in_the_middle_is_said_in_one_line(noisy_folders, monkeypatch, capsys):
    errors = ["outra coisa", "DataLoader worker (pid 1) is killed by signal: Killed. "]

    def happens():
        raise RuntimeError(errors.pop())

    after_the_first_epoch(monkeypatch, happens)
    assert cli.main([*noisy_folders, "--leitores", "0", "--saida", "pesos"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("erro: um dos processos que leem as fotos morreu")
    assert "permite retomar" in error

    with pytest.raises(RuntimeError, match="outra coisa"):
        cli.main([*noisy_folders, "--leitores", "0", "--saida", "outros"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cyclegan", "--dominio-x", "a"], "faltou uma das pastas"),
        (["cyclegan", "--dominio-y", "a"], "faltou uma das pastas"),
        (["vae", "--dominio-x", "a", "--dominio-y", "b"], "são da cyclegan; vae treina com o MNIST"),
        (["judge", "--dominio-x", "a"], "são da cyclegan; judge treina com o MNIST"),
        (["cyclegan", "--tamanho", "64"], "--tamanho é o lado das fotos"),
        (["cyclegan", "--leitores", "2"], "--leitores leem fotos: informe --dominio-x e --dominio-y"),
        (["cyclegan_photos"], "cyclegan_photos treina com as suas fotos: informe --dominio-x e --dominio-y"),
        (["cyclegan", "--dominio-x", "a", "--dominio-y", "b"], "a: não achei esta pasta"),
        (["cyclegan", "--dominio-x", "a", "--dominio-y", "b", "--tamanho", "20"], "múltiplo de 8"),
        (["cyclegan", "--dominio-x", "a", "--dominio-y", "b", "--tamanho", "8"], "--tamanho: veio 8; esperava um"),
        (["cyclegan", "--dominio-x", "a", "--dominio-y", "b", "--tamanho", "16"], "múltiplo de 8 ≥ 24"),
    ],
)
def test_bad_folders_of_photos(arguments, message, capsys):
    assert cli.main(["treinar", *arguments]) == 1
    assert message in capsys.readouterr().err
