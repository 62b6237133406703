"""Health checks, and what is counted of them."""

from __future__ import annotations

from tests.apiserver.servers import asked


async def test_results_are_counted() -> None:
    async with asked() as ask:
        assert (await ask("/readyz")).body == b"ok"
        assert (await ask("/readyz?exclude=etcd")).status == 200
        assert (await ask("/livez/ping")).status == 200
        answer = await ask("/metrics/slis")
        lines = answer.body.decode().splitlines()
        assert answer.headers["content-type"].startswith("text/plain")
        assert 'kubernetes_healthcheck{name="etcd",type="readyz"} 1' in lines
        assert 'kubernetes_healthchecks_total{name="ping",status="success",type="readyz"} 2' in lines
        assert 'kubernetes_healthchecks_total{name="etcd",status="success",type="readyz"} 1' in lines
        assert not any('type="livez"' in line for line in lines)
