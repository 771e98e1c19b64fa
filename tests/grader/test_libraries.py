"""O que o curso instala funciona na caixa como fora dela, e o que a caixa troca responde como o verdadeiro."""

from __future__ import annotations

from pathlib import Path

import pytest

from course_grader.inside.stand_ins import DIFFERENCES

ROOT = Path(__file__).resolve().parents[2]

CELLS = {
    "vizinhos do scikit-learn": "import numpy as np\nfrom sklearn.neighbors import NearestNeighbors\n"
    "near = NearestNeighbors(n_neighbors=1).fit(np.eye(200)).kneighbors(np.eye(200)[:3])\nassert not near[0].any()",
    "floresta em vários núcleos": "import numpy as np\nfrom sklearn.ensemble import RandomForestClassifier\n"
    "RandomForestClassifier(4, n_jobs=-1).fit(np.random.rand(20, 3), np.arange(20) % 2)",
    "umap compilado na instalação": "import umap, time\nassert umap.UMAP",
    "joblib em processos": "from joblib import Parallel, delayed\n"
    "assert Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]",
    "lotes com ajudantes": "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
    "data = TensorDataset(torch.ones(10, 3))\n"
    "assert len(list(DataLoader(data, batch_size=4, num_workers=2, persistent_workers=True, timeout=5))) == 3",
    "processos": "import multiprocessing as mp\ndef g(x): return x * x\n"
    "with mp.Pool(2) as pool: assert pool.map(g, [1, 2]) == [1, 4]",
    "memória compartilhada": "import torch\nfrom multiprocessing import Value\n"
    "assert Value('i', 3).value == 3\nassert torch.ones(3).share_memory_().is_shared()",
    "compilador do torch": "import torch\nassert torch.compile(lambda x: 2 * x, backend='eager')(torch.ones(1)) == 2",
    "banco de dados": "import sqlite3\nbase = sqlite3.connect('/tmp/x.db')\n"
    "base.execute('create table a (b)')\nbase.commit()",
    "drive do colab": "from google.colab import drive, files\ndrive.mount('/content/drive')\nimport os\n"
    "assert os.path.isdir('/content/drive/MyDrive') and files.upload() == {}",
    "histórico do treino": "from course_lib.recipes import train\nrun = train('vae')\n"
    "assert run.history['loss'][-1] == run.history.last['loss'] and str(run.history)",
    "tamanho do mnist": "from course_lib.data import load_mnist\n"
    "assert load_mnist('test').images[1234].shape == (1, 28, 28) and len(load_mnist('train')) == 60_000",
    "constantes e figuras": "from course_lib import viz\nimport torch\nfrom course_lib.viz import style\n"
    "assert style.COLORS[0] and viz.style\nviz.image_grid(torch.zeros(1, 1, 28, 28))\nviz.save('/tmp/x.png')\n"
    "assert open('/tmp/x.png', 'rb').read(4)[1:] == b'PNG'",
    "verificar": "from course_lib.exercises import open_exercise\nv = open_exercise('09_interpolacao', globals())\n"
    "assert v('q1') is None and v.namespace is globals()",
    "get_ipython importado": "from IPython import get_ipython\nget_ipython().run_line_magic('matplotlib', 'inline')",
}


@pytest.mark.parametrize("name", CELLS)
def test_it_works_in_the_box(sandbox, name):
    reply = sandbox.open().request({"op": "cell", "source": CELLS[name]}, (), 60)
    assert "error" not in reply, reply["error"]


@pytest.mark.parametrize("cell", ["!ls", "arquivos = !ls", "%%bash\nls", "%ls"])
def test_a_command_is_said_not_to_run(sandbox, cell):
    assert sandbox.open().request({"op": "cell", "source": cell}, (), 60)["skipped"]


def test_students_are_told_every_difference():
    page = (ROOT / "chapters" / "instrutores.md").read_text(encoding="utf-8")
    for difference in DIFFERENCES:
        assert difference in page
