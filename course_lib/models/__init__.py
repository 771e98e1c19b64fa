"""Uma família por arquivo, um arquivo por capítulo: as redes, o objetivo e a amostragem."""
