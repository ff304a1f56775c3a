"""A real server that speaks the protocol of S3, for outputs and recordings behind addresses."""

import os
import uuid

import pytest


@pytest.fixture(scope='session')
def s3_server():
    """Run a server of S3 on this machine, and lead everything that looks for one there."""
    server = pytest.importorskip('moto.server', reason="install it: pip install 'moto[s3,server]'")
    s3fs = pytest.importorskip('s3fs', reason='install it: pip install s3fs')
    running = server.ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    variables = {
        'AWS_ENDPOINT_URL': f'http://{host}:{port}', 'AWS_ACCESS_KEY_ID': 'test',
        'AWS_SECRET_ACCESS_KEY': 'test', 'AWS_DEFAULT_REGION': 'us-east-1',
        'NO_PROXY': host, 'no_proxy': host}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    # connections made before would lead elsewhere
    s3fs.S3FileSystem.clear_instance_cache()
    yield s3fs
    s3fs.S3FileSystem.clear_instance_cache()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value
    running.stop()


@pytest.fixture
def s3(s3_server):
    """Return the URL of a new bucket, which processes that begin now reach as well."""
    bucket = f'fleet-{uuid.uuid4().hex[:12]}'
    s3_server.S3FileSystem().mkdir(bucket)
    return f's3://{bucket}'
