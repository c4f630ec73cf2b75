from tests.api.conftest import Api, problem


async def test_smoke(api: Api) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/docs", "/docs/openapi.json"):
        r = await api.http.get(path)
        print(path, r.status_code, r.headers, r.text[:300])
    for path in ("/v1/accounts", "/v1/connections", "/v1/api_keys", "/v1/events"):
        r = await api.get(path)
        print(path, r.status_code, r.text[:600])
    for path in ("/v1/invoices", "/v1/attempts", "/v1/cases"):
        r = await api.get(path, "finance")
        print(path, r.status_code, r.text[:600])
    print(problem(await api.http.get("/nope")))
    print(problem(await api.http.get("/v1/nope")))
    print(problem(await api.http.put("/v1/accounts")))
    print(problem(await api.http.get("/v1/accounts")))
    print((await api.get("/v1/invoices", "finance", limit=0)).text)
    print((await api.get("/v1/invoices", "finance", state="x")).text)
    print((await api.get("/v1/invoices", "finance", stat="x")).text)
    print((await api.post("/v1/api_keys", {"name": "x", "scopes": ["server"], "foo": 1})).text)
    print((await api.post("/v1/api_keys", {"name": "x", "scopes": ["serverr"]})).text)
    print((await api.post("/v1/api_keys", {"name": "x"})).text)
    print((await api.post("/v1/api_keys", [])).text)
    print((await api.http.post("/v1/api_keys", headers=api.ours.bearer())).text)
    print(
        (
            await api.http.post(
                "/v1/api_keys", content=b"{", headers=api.ours.bearer() | {"content-type": "application/json"}
            )
        ).text
    )
    print((await api.http.post("/v1/api_keys", content=b"a=1", headers=api.ours.bearer())).text)
    print((await api.post("/v1/api_keys", {"name": "x" * 20000, "scopes": ["server"]})).text)
    print((await api.post("/v1/api_keys", {"name": "x" * 20000, "scopes": ["server"]}, idempotency_key="1")).text)
    for _ in range(2):
        r = await api.post("/v1/api_keys", {"name": "x", "scopes": ["server"]}, idempotency_key="2")
        print(r.status_code, r.headers, r.text)
    print(
        (
            await api.post("/v1/connections", {"name": "x", "adapter": "practice", "credentials": {"api_key": "abc"}})
        ).text
    )
    print(
        (
            await api.post(
                "/v1/connections",
                {
                    "name": "x",
                    "adapter": "practice",
                    "credentials": {"api_key": "abc", "webhook_secret": "x"},
                    "options": {"account": "x"},
                },
            )
        ).text
    )
    r = await api.post(
        "/v1/connections",
        {
            "name": "x",
            "adapter": "practice",
            "credentials": {"api_key": "abc", "webhook_secret": "x"},
            "options": {"account": "x", "base_url": "http://127.0.0.1:1"},
        },
    )
    print(r.text)
    print((await api.post("/v1/connections/x/check")).text)
    r = await api.http.options(
        "/v1/invoices", headers={"origin": "https://shop.example", "access-control-request-method": "GET"}
    )
    print(r.status_code, r.headers)
    r = await api.http.get("/v1/invoices", headers={"origin": "https://shop.example"})
    print(r.status_code, r.headers)
