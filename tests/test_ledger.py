"""A conta dos números: o que ela confere, e as contradições plantadas que ela precisa ver."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from built_book import ROOT

from book import ledger

PROSE = """# Um capítulo

O erro **caiu** de 21,06 (o do PCA) para 3,59, quase seis vezes menor, com 435.536 parâmetros. Ver o capítulo 3.

A taxa é de $4{,}5 \\cdot 10^{-3}$; em 2006, Hinton chegou a 3,00. No exemplo, $0{,}5^2 = 0{,}25$, e o estudo para em
93,5 %.

## Referências

- Hinton (2006). *Science*, 313, 504–507.
"""
CODE = "lr = 4.5e-3\nepochs = 40\nprint('erro do PCA: 21,06 por imagem; o da rede: 3,588')"
CLAIMS = """
[[trecho]]
texto = "O erro **caiu** de 21,06 (o do PCA) para 3,59, quase seis vezes menor, com 435.536 parâmetros"
origem = ["saida c1: PCA", "saida c1: o da rede:", "conta: a / b", "cartao rede: parameters.model"]
afirma = "b < a"
margem = "3 %"

[[trecho]]
texto = "A taxa é de $4{,}5 \\\\cdot 10^{-3}$; em 2006, Hinton chegou a 3,00"
origem = ["conta: 1000 * 0.0045", "-", "-", "fonte hinton2006"]
"""
REST = """
[[trecho]]
texto = "$0{,}5^2 = 0{,}25$, e o estudo para em 93,5 %"
origem = ["exemplo: 0.5", "exemplo: a ** 2", "estudo sondas: max(r['acerto'] for r in runs)"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Um projeto com um capítulo, um cartão, um estudo, uma referência e a conta inteira."""
    cells = [
        {"cell_type": "markdown", "id": "m1", "source": PROSE.splitlines(keepends=True)},
        {"cell_type": "code", "id": "c1", "source": CODE.splitlines(keepends=True), "outputs": []},
    ]
    write(tmp_path, "chapters/um.ipynb", json.dumps({"cells": cells}))
    write(tmp_path, "chapters/referencias.bib", "@article{hinton2006,\n title={x}\n}")
    write(tmp_path, "README.md", "O curso.")
    write(tmp_path, "course_lib/weights/rede.json", json.dumps({"metrics": {}, "parameters": {"model": 435_536}}))
    write(tmp_path, "course_lib/studies/sondas.json", json.dumps({"runs": [{"acerto": 0.91}, {"acerto": 0.9351}]}))
    write(tmp_path, "book/numeros/chapters/um.toml", CLAIMS + REST)
    ledger.record_outputs(
        tmp_path, tmp_path / "chapters/um.ipynb", {"c1": "erro do PCA: 21,06 por imagem; o da rede: 3,588"}
    )
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def change(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    write(root, name, text.replace(old, new))


def faults(root: Path) -> list[str]:
    return [fault.why for fault in ledger.check_document(root / "chapters/um.ipynb", root)[1]]


def test_a_true_chapter_has_no_faults(project):
    tied, found = ledger.check_document(project / "chapters/um.ipynb", project)
    assert (tied, found) == (9, [])


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        # Um algarismo do texto: o trecho da conta já não está nele, e o número fica sem origem.
        ("chapters/um.ipynb", "3,59", "3,69", "3,69 não tem origem"),
        ("chapters/um.ipynb", "93,5 %", "94,5 %", "94,5 não tem origem"),
        # O mesmo algarismo mudado dos dois lados: é a origem que não concorda.
        ("both", "3,59", "3,69", "está escrito 3,69, e saida c1: o da rede: dá 3,588"),
        ("both", "seis vezes", "sete vezes", "está escrito sete, e conta: a / b dá 5,86957"),
        ("both", "435.536", "435.636", "está escrito 435.636, e cartao rede: parameters.model dá 435536"),
        ("both", "0{,}25", "0{,}26", "está escrito 0,26, e exemplo: a ** 2 dá 0,25"),
        # Um sentido trocado.
        ("chapters/um.ipynb", "caiu", "subiu", "aparece 0 vezes no texto; devia ser uma"),
        ("book/numeros/chapters/um.toml", "b < a", "b > a", "afirma b > a, e não é o que se mediu"),
        # A origem mudou, e o texto não.
        ("course_lib/studies/sondas.json", "0.9351", "0.9251", "está escrito 93,5, e estudo sondas"),
        ("course_lib/weights/rede.json", "435536", "435537", "está escrito 435.536, e cartao rede"),
        ("book/numeros/chapters/um.json", "3,588", "4,588", "está escrito 3,59, e saida c1: o da rede: dá 4,588"),
        ("chapters/referencias.bib", "hinton2006", "outra", "'hinton2006' não está em referencias.bib"),
        ("chapters/um.ipynb", "epochs = 40", "epochs = 41", "o código mudou"),
        # Um trecho mal contado, ou que compara sem dizer o quê.
        ("book/numeros/chapters/um.toml", 'afirma = "b < a"\n', "", "compara, e não diz em afirma"),
        ("book/numeros/chapters/um.toml", '"-", ', "", "o trecho tem 4 número(s)"),
        ("book/numeros/chapters/um.toml", '"-", "-"', '"-", "fato:"', "diga a razão"),
        ("book/numeros/chapters/um.toml", '"fonte hinton2006"', '"-"', "3,00 precisa de origem"),
        ("book/numeros/chapters/um.toml", "saida c1: PCA", "saida c9: PCA", "não há célula c9"),
        ("book/numeros/chapters/um.toml", "saida c1: PCA", "saida c1: ICA", "não imprime 'ICA'"),
        ("book/numeros/chapters/um.toml", "o da rede:\"", "o da rede: #2\"", "não imprime 2 número(s)"),
        ("book/numeros/chapters/um.toml", "cartao rede", "cartao outra", "não há cartão de outra"),
        ("book/numeros/chapters/um.toml", "parameters.model", "parameters.gen", "não há 'gen'"),
        ("book/numeros/chapters/um.toml", "estudo sondas", "estudo outro", "não há estudo outro"),
        ("book/numeros/chapters/um.toml", "r['acerto']", "r['erro']", "não se calcula"),
        ("book/numeros/chapters/um.toml", "exemplo: 0.5", "chute: 0.5", "'chute' não é uma origem"),
    ],
)  # fmt: skip
def test_a_planted_contradiction_is_seen(project, name, old, new, why):
    if name == "both":
        for each in ("chapters/um.ipynb", "book/numeros/chapters/um.toml"):
            change(project, each, old, new)
    else:
        change(project, name, old, new)
    assert any(why in found for found in faults(project)), faults(project)


def test_numbers_without_a_ledger_are_seen(project):
    write(project, "book/numeros/chapters/um.toml", CLAIMS)
    assert sorted(faults(project)) == ["0,25 não tem origem", "0,5 não tem origem", "93,5 não tem origem"]


def test_a_solution_is_recorded_by_running_it_alone(project):
    card = project / "course_lib/weights/rede.json"
    code = f"import os\n{CODE}\nopen({str(card)!r}).close()\nprint(os.listdir())"
    cells = [
        {"cell_type": "markdown", "metadata": {}, "id": "m1", "source": "O erro caiu de 21,06 para 3,59."},
        {"cell_type": "code", "metadata": {}, "id": "c1", "source": code, "outputs": [], "execution_count": None},
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    write(project, "solutions/um.ipynb", json.dumps(notebook))
    claim = (
        'texto = "O erro caiu de 21,06 para 3,59"\norigem = ["saida c1: PCA", "saida c1: rede:"]\nafirma = "b < a"\n'
    )
    write(project, "book/numeros/solutions/um.toml", f"[[trecho]]\n{claim}")
    path = project / "solutions/um.ipynb"
    outputs, used = ledger.run_solution(project, path)
    assert outputs["c1"].splitlines()[-1] == "[]"  # a pasta em que rodou
    ledger.record_outputs(project, path, outputs, used)
    assert ledger.check_document(path, project) == (2, [])
    again = "rode python book/ledger.py --gravar solutions/um.ipynb"
    change(project, "course_lib/weights/rede.json", "435536", "435537")
    (why,) = [fault.why for fault in ledger.check_document(path, project)[1]]
    assert why == f"mudou o que ele usa (course_lib/weights/rede.json): {again}"
    change(project, "course_lib/weights/rede.json", "435537", "435536")
    change(project, "solutions/um.ipynb", "epochs = 40", "epochs = 41")
    (why,) = [fault.why for fault in ledger.check_document(path, project)[1]]
    assert why == f"o código mudou: {again}"


def test_an_unknown_key_is_refused(project):
    write(project, "book/numeros/chapters/um.toml", '[[trecho]]\ntexto = "x"\norigen = []\n')
    with pytest.raises(ledger.LedgerError, match="origen"):
        faults(project)


def test_a_calculation_uses_every_value_of_its_claim(project):
    change(project, "book/numeros/chapters/um.toml", '"conta: a / b", "cartao', '"conta: e / b", "cartao')
    change(project, "book/numeros/chapters/um.toml", 'afirma = "b < a"', 'com = "saida c1: PCA"\nafirma = "b < e"')
    assert faults(project) == []


def test_a_choice_must_be_written_in_its_cell(project):
    claim = '\n[[trecho]]\ntexto = "Hinton chegou a 3,00"\norigem = "codigo c1"\n'
    write(project, "book/numeros/chapters/um.toml", CLAIMS + REST + claim)
    assert faults(project) == ["3,00 não está escrito na célula c1"]


def test_repeated_text_needs_to_be_declared(project):
    again = "o erro do PCA, 21,06"
    change(project, "chapters/um.ipynb", "Ver o cap\\u00edtulo 3.", f"Era {again}; de novo, {again}.")
    claim = '\n[[trecho]]\ntexto = "o erro do PCA, 21,06"\norigem = "saida c1: PCA"\n'
    write(project, "book/numeros/chapters/um.toml", CLAIMS + REST + claim)
    assert "aparece 2 vezes no texto; devia ser uma" in faults(project)
    write(project, "book/numeros/chapters/um.toml", CLAIMS + REST + claim + "repete = true\n")
    assert faults(project) == []


@pytest.mark.parametrize(
    ("written", "value", "margin", "fine"),
    [
        ("3,59", 3.5949, "0", True),
        ("3,59", 3.596, "0", False),
        ("3,59", 3.66, "2 %", True),
        ("3,59", 3.68, "2 %", False),
        ("3,59", 3.8, "0,25", True),
        ("−0,25", -0.254, "0", True),
        ("1.797", 1797, "0", True),
        ("1.797", 1798, "0", False),
    ],
)  # fmt: skip
def test_rounding_and_margin(written, value, margin, fine):
    (token,) = ledger.tokens(written)
    assert ledger.agrees(token, value, written, margin) is fine


def test_the_margin_is_for_another_machine(project):
    path = project / "chapters/um.ipynb"
    near, far = ("erro do PCA: 21,06 por imagem; o da rede: 3," + digits for digits in ("65", "79"))
    assert ledger.check_document(path, project, {"c1": near})[1] == []
    assert [fault.why for fault in ledger.check_document(path, project, {"c1": far})[1]]
    # Um cartão não muda de máquina.
    change(project, "course_lib/weights/rede.json", "435536", "435537")
    (fault,) = ledger.check_document(path, project, {"c1": near})[1]
    assert "cartao" in fault.why


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("Treinamos por 40 épocas.", []),  # uma escolha, escrita no código
        ("Treinamos por 41 épocas.", ["41"]),
        ("A rede erra 5 %.", ["5"]),
        ("O capítulo 17, a equação 34 e as questões 13 e 14.", []),
        ("Em 2014, dez anos depois, com 3 camadas de 28×28.", []),
        ("Três vezes, jogamos três vezes: três vezes menor.", ["três"]),
        ("A rede é 784-400-20, e `x = 3,5` é código; [aqui](https://a.b/3,7).", []),
        ("Leva 8 s, ou 3 minutos; a conta é $2s + 1$.", ["8", "3"]),
        ("$0{,}511 - 0{,}712$, $25 - 23{,}04$ e 28×28.", ["0,511", "0,712", "25", "23,04"]),
        ("$x_{12}^{3{,}5} + 2{,}5$", ["2,5"]),
        ("<!-- 3,5 --> ![3,5](a.png)", []),
    ],
)
def test_which_numbers_need_an_origin(text, needed):
    text = ledger.plain(text)
    found = [token.text for token in ledger.tokens(text) if ledger.needs_origin(token, text, {40.0})]
    assert found == needed


def test_the_command_reports_and_fails(project, monkeypatch, capsys):
    monkeypatch.setattr(ledger, "ROOT", project)
    monkeypatch.setattr(sys, "argv", ["ledger.py"])
    assert ledger.main() == 0
    assert "✔ 9 números com origem; 0 falta(s)" in capsys.readouterr().out
    change(project, "chapters/um.ipynb", "3,59", "3,69")
    assert ledger.main() == 1
    assert "3,69 não tem origem" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in ledger.documents(ROOT)]
)
def test_every_number_of_the_course_has_an_origin(path):
    _, found = ledger.check_document(path, ROOT)
    assert not found, "\n".join(map(str, found))
