# Alvos do curso. `make` sozinho mostra a lista; PYTHON=python3.12 make livro escolhe o Python.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.pronto
PORT ?= 8000

# O PyTorch do registro traz no Linux as bibliotecas da CUDA, 5 GB que um computador sem placa da NVIDIA não usa; o de CPU
# mora noutro índice. A escolha fica gravada no ambiente: os comandos seguintes não precisam repeti-la.
INSTALLED := $(or $(shell cat "$(READY)" 2> /dev/null),registro)
TORCH ?= $(INSTALLED)
TORCH_INDICE ?= https://download.pytorch.org/whl/cpu
ifeq ($(filter cpu registro,$(TORCH)),)
$(error TORCH=$(TORCH): as opções são cpu (sem as bibliotecas da CUDA) e registro)
endif

# O executor passa caminhos relativos; os capítulos rodam em chapters/ e os testes em pastas temporárias. O make parte um
# caminho nos espaços, e trataria um ~ entre aspas como nome de pasta: os espaços viajam disfarçados, e o ~ vira a casa.
# $(value) porque um $ no caminho é um $, e não uma variável do make.
SPACE := $() $()
hide = $(subst $(SPACE),<espaço>,$(1))
OWN_FOLDER := $(call hide,$(or $(value HOME),/sem-HOME))
whole = $(subst <espaço>,$(SPACE),$(abspath $(patsubst ~,$(OWN_FOLDER),$(patsubst ~/%,$(OWN_FOLDER)/%,$(call hide,$(value $(1)))))))
ifneq ($(strip $(value CURSO_DADOS)),)
override CURSO_DADOS := $(call whole,CURSO_DADOS)
export CURSO_DADOS
endif
ifneq ($(strip $(value CURSO_CACHE)),)
override CURSO_CACHE := $(call whole,CURSO_CACHE)
export CURSO_CACHE
endif

.DEFAULT_GOAL := ajuda
.PHONY: ajuda livro testes colab numeros ver fotos exercicios abertura pacote slides bench requisitos limpar

ajuda: ## mostra esta lista
	@echo "Uso: make ALVO"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "Variáveis: CURSO_PERFIL=rapido|padrao|completo, CURSO_DADOS=pasta com MNIST/raw, PYTHON=python3.12,"
	@echo "TORCH=cpu (sem as bibliotecas da CUDA: um terço do espaço; TORCH=registro volta ao de sempre)"

livro: $(READY) ## prepara o ambiente, executa os capítulos e constrói o livro
	@$(BIN)/python book/build.py

# A cobertura mínima está em pyproject.toml; sem a caixa isolada os testes do corretor são pulados, e ela não se cobra.
FLOOR = $(if $(shell command -v bwrap),,--cov-fail-under=0)

testes: $(READY) ## prepara o ambiente e confere tudo o que a integração contínua confere
	@sh tools/system_packages.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	CURSO_PERFIL=rapido OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --nbval --nbval-current-env solutions
	@# Por último, porque termina dizendo o que não se testou. Dois processos de uma linha de execução cada um: com mais, eles disputariam os núcleos e o tempo dobraria.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --no-loadscope-reorder --cov --cov-report=term $(FLOOR)

colab: $(READY) ## roda os cadernos como o Colab, com as versões dele (só uns: CADERNOS="chapters/01_autoencoder")
	@$(BIN)/python tools/run_in_colab.py --python "$(or $(COLAB_PYTHON),3.13)" $(if $(filter cpu,$(TORCH)),--torch-indice "$(TORCH_INDICE)") $(CADERNOS)

numeros: $(READY) ## confere de onde vem cada número do texto
	@$(BIN)/python book/ledger.py

ver: ## mostra no navegador o livro já construído
	@test -f _build/html/index.html || { echo "Ainda não há livro: rode make livro."; exit 1; }
	@echo "Livro em http://localhost:$(PORT) (Ctrl+C para parar; outra porta: make ver PORT=9000)"
	@$(BIN)/python -m http.server $(PORT) --bind localhost --directory _build/html > /dev/null 2>&1 || { \
	  status=$$?; if [ $$status -ne 130 ]; then \
	    echo "Não consegui servir na porta $(PORT): ela pode estar em uso. Tente make ver PORT=9000."; exit 1; fi; }

fotos: $(READY) ## fotografa as páginas do livro já construído em _build/fotos
	@$(BIN)/python book/screenshots.py _build/fotos

exercicios: $(READY) ## gera exercises/ a partir de solutions/
	$(BIN)/python tools/generate_exercises.py

abertura: $(READY) ## desenha as figuras da abertura e do README com os pesos do curso
	$(BIN)/python tools/draw_opening.py

pacote: $(READY) ## faz do livro já construído o site num arquivo, o PDF, o EPUB e os cadernos, em _build/pacote
	@$(BIN)/python -m book.package

slides: $(READY) ## faz do livro já construído os slides de cada capítulo, em _build/slides
	@$(BIN)/python -m book.package.slides

bench: $(READY) ## mede o curso ao lado do laço do documento
	$(BIN)/python -m benchmarks

requisitos: $(READY) ## recompila requirements.txt a partir de pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --quiet --output-file requirements.txt
	@echo "requirements.txt recompilado; confira a diferença e rode make testes."

limpar: ## apaga o livro construído e os arquivos temporários (o ambiente fica)
	rm -rf _build .coverage .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

define CHECK_PYTHON
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "O curso precisa do Python 3.11 ou mais novo, e \"$(PYTHON)\" não é ou não existe."; \
  echo "Instale um e diga qual usar: PYTHON=python3.12 make ALVO"; exit 1; }
endef

# Sem uma casa em que escrever, como num laboratório, o uv guarda o que baixa no ambiente, e no fim isso se apaga.
UV_HOME = "$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/uv}"
UV_SPARE := $(VENV)/.cache-do-uv
UV_CACHE = $(shell mkdir -p $(UV_HOME) 2> /dev/null && test -w $(UV_HOME) || echo UV_CACHE_DIR=$(UV_SPARE))
INSTALL = $(UV_CACHE) $(BIN)/uv pip install --python $(BIN)/python
# As do registro são a lista do que instalar; para as de CPU, só limitam as versões do que o pyproject.toml pede, porque
# o PyTorch de lá não pede as bibliotecas da CUDA. Trocado o PyTorch, as que ficaram são tiradas.
TORCH_PINS := $$(grep -oE '^(torch|torchvision)==[^ ;]+' requirements.txt)
CUDA_NAMES := $$(grep -oE '^(nvidia|cuda|triton)[^=]*' requirements.txt)
CHANGED := $(if $(filter-out $(INSTALLED),$(TORCH)),--reinstall-package torch --reinstall-package torchvision)
define INSTALL_registro
$(INSTALL) $(CHANGED) -r requirements.txt
endef
define INSTALL_cpu
{ $(INSTALL) $(CHANGED) --no-deps --default-index "$(TORCH_INDICE)" $(TORCH_PINS) || { \
  echo "Não consegui instalar o PyTorch de CPU a partir de $(TORCH_INDICE): há rede até lá, e ele tem as versões fixadas?"; \
  echo "Há um espelho? Diga qual: make ALVO TORCH=cpu TORCH_INDICE=https://…"; \
  echo "Senão, o PyTorch do registro também roda sem GPU, só ocupa mais: make ALVO TORCH=registro"; exit 1; }; } \
  && $(BIN)/uv pip uninstall --quiet --python $(BIN)/python $(CUDA_NAMES) \
  && $(INSTALL) --constraints requirements.txt --all-extras -r pyproject.toml
endef

# O ambiente é atualizado quando mudam as versões fixadas, o pacote ou o PyTorch escolhido.
ifneq ($(CHANGED),)
.PHONY: $(READY)
endif
$(READY): requirements.txt pyproject.toml
	@$(CHECK_PYTHON)
	@test -x $(BIN)/python || { echo "Criando o ambiente em $(VENV)…"; $(PYTHON) -m venv $(VENV); } || { \
	  echo "Não consegui criar o ambiente. No Debian e no Ubuntu, instale antes o pacote python3-venv."; \
	  rm -rf $(VENV); exit 1; }
	@echo "Instalando as dependências (na primeira vez, alguns minutos)…"
	@# O uv instala em metade do tempo do pip.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(INSTALL_$(TORCH))
	@$(INSTALL) --no-deps --editable .
	@rm -rf $(UV_SPARE)
	@# O UMAP se compila ao ser importado pela primeira vez: melhor aqui que no meio de um capítulo. Ele só ocupa um núcleo;
	@# nos outros compila-se o bytecode, que poupa segundos a cada caderno que abre. O que não compila são modelos de código.
	@$(BIN)/python -c "import umap" & umap=$$!; $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true; wait $$umap
	@echo $(TORCH) > $@
