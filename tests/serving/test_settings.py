from pathlib import Path

import pytest

from serving import settings
from serving.settings import SERVING, Setting, Values, redis_url

ALL = (*SERVING, Setting("redis-url", redis_url, "redis://127.0.0.1", "where the counters are"))


def read(*argv: str, **environ: str) -> Values:
    return settings.read("a-service", ALL, ("--state-dir", "/s", *argv), environ)


def test_defaults_are_parsed_like_anything_given() -> None:
    assert read() == {
        "listen": ("127.0.0.1", 0),
        "http": ("127.0.0.1", 0),
        "state_dir": Path("/s"),
        "workers": 1,
        "drain_seconds": 10.0,
        "log_level": "info",
        "redis_url": "redis://127.0.0.1",
    }


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"A_SERVICE_WORKERS": "3", "A_SERVICE_LOG_LEVEL": "debug"}
    values = read("--workers", "2", **environ)
    assert (values["workers"], values["log_level"], values["drain_seconds"]) == (2, "debug", 10)


def test_a_bad_value_in_the_environment_does_not_matter_where_a_flag_wins() -> None:
    assert read("--workers", "2", A_SERVICE_WORKERS="many")["workers"] == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("listen", text)
            for text in ("", ":1", "h", "h:", "h:65536", "h:-1", "h:²", "::1:80", "[h]:1", "a..b:1", "h:1 ")
        ),
        *(("workers", text) for text in ("", "0", "65", "2.5", "²", "--2", "9" * 5000, "many")),
        *(("drain-seconds", text) for text in ("", "-1", "301", "nan", "inf", "soon")),
        *(("log-level", text) for text in ("", "INFO", "trace")),
        ("state-dir", ""),
        *(("redis-url", text) for text in ("", "h:6379", "http://h", "redis://h:x", "redis://h:99999", "redis://[")),
        *(("redis-url", text) for text in ("redis://h?db=x", "redis://h?no_such_option=1")),
    ],
)
@pytest.mark.parametrize("how", ["flag", "environment"])
def test_a_bad_value_exits_64_with_a_sentence_that_does_not_quote_it(
    name: str, text: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    variable = f"A_SERVICE_{name.upper().replace('-', '_')}"
    argv, environ = ([f"--{name}={text}"], {}) if how == "flag" else ([], {variable: text})
    if name != "state-dir":
        argv.append("--state-dir=/s")
    with pytest.raises(SystemExit, match="64"):
        settings.read("a-service", ALL, argv, environ)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"a-service: {f'--{name}' if how == 'flag' else variable} must be ")
    assert len(text) < 5 or text not in line


def test_all_mistakes_are_told_at_once_and_no_value_of_any(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--redis-ulr", "redis://:hunter2@h", "--redis-ur1=redis://:hunter2@h", "--workers", "--log-level", "loud"]
    with pytest.raises(SystemExit, match="64"):
        settings.read("a-service", ALL, argv, {"A_SERVICE_REDIS_URL": "redis://:hunter2@h:port"})
    told = capsys.readouterr().err
    assert [line.removeprefix("a-service: ").split()[0] for line in told.splitlines()] == [
        "--redis-ulr",
        "--redis-ur",
        "--state-dir",
        "--workers",
        "--log-level",
        "A_SERVICE_REDIS_URL",
    ]
    assert "hunter2" not in told


def test_an_argument_that_belongs_to_nothing_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="64"):
        read("hunter2")
    assert capsys.readouterr().err == "a-service: takes nothing but settings (see --help)\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:9191", ("::1", 9191)),
        ("rate-limit.svc.local:80", ("rate-limit.svc.local", 80)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert settings.address(text) == address


@pytest.mark.parametrize(
    "url",
    ["redis://h", "rediss://u:p@h:1/2?ssl_check_hostname=false", "unix:///run/redis.sock?db=1", "redis://[::1]:6379"],
)
def test_a_redis_url_stays_as_it_is(url: str) -> None:
    assert read(A_SERVICE_REDIS_URL=url)["redis_url"] == url


def test_help_names_every_flag_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        read("--help")
    text = " ".join(capsys.readouterr().out.split())
    for setting in ALL:
        assert f"--{setting.name}" in text
        assert f"A_SERVICE_{setting.name.upper().replace('-', '_')}; " in text


SECRET = (*ALL, Setting("pepper", str.strip, "", "what hashes are made with", secret=True))


def test_a_secret_comes_from_the_environment_and_from_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("--state-dir", "/s")
    assert settings.read("a-service", SECRET, argv, {"A_SERVICE_PEPPER": "hush"})["pepper"] == "hush"
    assert settings.read("a-service", SECRET, argv, {})["pepper"] == ""
    with pytest.raises(SystemExit, match="64"):
        settings.read("a-service", SECRET, (*argv, "--pepper", "hush"), {})
    assert capsys.readouterr().err == "a-service: --pepper is not a setting (see --help)\n"
    with pytest.raises(SystemExit, match="0"):
        settings.read("a-service", SECRET, ("--help",), {})
    assert "environment only: A_SERVICE_PEPPER: what hashes" in " ".join(capsys.readouterr().out.split())
