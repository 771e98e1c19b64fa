#!/bin/sh
# O que os testes usam do sistema: o bubblewrap, que isola o código dos estudantes, e dois navegadores. Onde há apt e direito de
# instalar sem pedir senha, instala o que falta; onde não há, os testes dizem no fim o que não se testou.
set -u

missing=
command -v bwrap > /dev/null || missing="$missing bubblewrap"
for browser in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$browser" > /dev/null && found=$browser
done
[ -n "${found:-}" ] || missing="$missing chromium"
command -v firefox-esr > /dev/null || command -v firefox > /dev/null || missing="$missing firefox-esr"
[ -n "$missing" ] && command -v apt-get > /dev/null || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=
elif sudo -n true 2> /dev/null; then
  as_root='sudo -n'
else
  exit 0
fi
echo "Instalando do sistema o que os testes usam:$missing…"
for package in $missing; do
  # Um de cada vez: o que um sistema não tem não leva o outro.
  $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" > /dev/null \
    || echo "Não consegui instalar o pacote $package: o que o usa não será testado."
done
