"""Medidas lado a lado, no mesmo processo e nos mesmos dados. ``make bench`` as executa; nenhum teste depende delas."""
