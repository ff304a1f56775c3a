"""Short videos whose pictures tell their numbers, as files and as a stream."""

import socket
import threading

import numpy as np

HEIGHT, WIDTH, STEP = 48, 64, 10


def numbered(number):
    """Return a picture whose grey level tells its number."""
    return np.full((HEIGHT, WIDTH, 3), 20 + STEP * number, np.uint8)


def number_of(image):
    """Return the number that a picture tells."""
    return round((float(image.mean()) - 20) / STEP)


def write_numbered(path, count, rate=20, codec='mpeg4'):
    """Write a video of pictures number 0, 1, ...; its ending chooses the container."""
    import av

    with av.open(f'file:{path}', 'w') as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(number), format='rgb24')
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def forget_codec(path, other):
    """Write an AVI file of another whose codec nobody knows."""
    other.write_bytes(path.read_bytes().replace(b'FMP4', b'XQZ9'))
    return other


class Stream:
    """A camera in the network: sends a file to whoever connects, over and over, until closed."""

    def __init__(self, path, port=0):
        self._data = path.read_bytes()
        self._server = socket.create_server(('127.0.0.1', port))
        self.port = self._server.getsockname()[1]
        self._closed = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        """Unplug the camera."""
        self._closed = True
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5.0)

    def _serve(self):
        while not self._closed:
            try:
                connection, _ = self._server.accept()
                with connection:
                    while not self._closed:
                        connection.sendall(self._data)
            except OSError:
                continue
