import re

import pytest

from reconciler.core.errors import Rejected
from reconciler.format.dropin import Dropin, variable
from reconciler.host.unit_file import Command, Service, Source, lines, read, read_variables
from reconciler.host.unit_words import expand_specifiers, put_in, split

NAME = "sensor@one-two.service"


def service(*said: str, name: str = NAME) -> Service:
    """Of a unit file and further drop-ins; each holds lines of [Service]."""
    return read(name, [(f"/etc/{n}", f"[Service]\n{text}\n") for n, text in enumerate(said)])


def words(text: str) -> list[str]:
    return [meant for _, meant in split(text)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("\"a b\" 'c d'", ["a b", "c d"]),
        ('--x="a b"', ["--x=a b"]),
        ('\'it "is"\' "it\'s"', ['it "is"', "it's"]),
        (r'"a\"b" a\"b', ['a"b', 'a"b']),
        (r"a\sb \x41\101 A", ["a b", "AA", "A"]),
        (r"\xc3\xa4 \303\244", ["ä", "ä"]),
        (r"a\\b c\qd", [r"a\b", r"c\qd"]),
        (r"a\nb\tc", ["a\nb\tc"]),
        ('"" a', ["", "a"]),
        ("", []),
    ],
)
def test_words_are_parted_as_systemd_parts_them(text: str, meant: list[str]) -> None:
    assert words(text) == meant


@pytest.mark.parametrize("text", ['"a', "a'", 'a "b', "a\\", 'a"b c', r"a\x00b", r"\000"])
def test_what_is_never_closed_or_holds_nothing_is_no_word(text: str) -> None:
    with pytest.raises(ValueError, match=r"never closed|no zero byte"):
        words(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("%n", NAME),
        ("%N", "sensor@one-two"),
        ("%p-%i", "sensor-one-two"),
        ("%I", "one/two"),
        ("100%%", "100%"),
        ("%t/x %S", "/run/x /var/lib"),
    ],
)
def test_specifiers(text: str, meant: str) -> None:
    assert expand_specifiers(text, NAME) == meant


@pytest.mark.parametrize("text", ["%h", "100%", "%Y"])
def test_a_specifier_that_only_systemd_knows_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="written %%"):
        expand_specifiers(text, NAME)


def test_variables_are_put_in_as_systemd_does() -> None:
    variables = {"A": "one 'two three'", "E": ""}
    given = ("/bin/$A", "${A}", "x${A}y", "$A", "$E", "${E}", "$NONE", "${NONE}", "$$A", "a$A", "$${A}")
    a = variables["A"]
    assert put_in(given, variables) == ["/bin/$A", a, f"x{a}y", "one", "two three", "", "", "$A", "a$A", "${A}"]


def test_lines_go_on_over_comments_and_end_where_they_end() -> None:
    text = "# no\n; no\n\n[Service]\nExecStart=/bin/a \\\n# no\n   b \\\n\n   c\nType = simple \n[Install]\nX=a\\"
    said = [(line.place, line.section, line.key, line.value) for line in lines("/f", text)]
    assert [(place, section, key) for place, section, key, _ in said] == [
        ("/f:5", "Service", "ExecStart"),
        ("/f:10", "Service", "Type"),
        ("/f:12", "Install", "X"),
    ]
    assert [words(value) for *_, value in said] == [["/bin/a", "b", "c"], ["simple"], ["a"]]


def test_the_last_start_holds_and_an_empty_one_takes_back() -> None:
    assert service("ExecStart=/bin/a", "ExecStart=\nExecStart=/bin/b").main == (Command(("/bin/b",)),)
    with pytest.raises(Rejected, match="it has no ExecStart="):
        service("ExecStart=/bin/a", "ExecStart=")
    with pytest.raises(Rejected, match="more than one ExecStart="):
        service("ExecStart=/bin/a", "ExecStart=/bin/b")
    both = (Command(("/bin/a",)), Command(("/bin/b", ";")))
    assert service("Type=oneshot\nExecStart=/bin/a ; /bin/b \\;").main == both


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("-/bin/a x", Command(("/bin/a", "x"), may_fail=True)),
        (":/bin/a $X", Command(("/bin/a", "$X"), has_variables=False)),
        ("@/bin/a shown x", Command(("/bin/a", "x"))),
        ("+!!/bin/a", Command(("/bin/a",))),
        ("-@/bin/a shown", Command(("/bin/a",), may_fail=True)),
        ('"/bin/a b" %i', Command(("/bin/a b", "one-two"))),
    ],
)
def test_marks_before_a_program(said: str, command: Command) -> None:
    assert service(f"ExecStart={said}").main == (command,)


def test_of_a_variable_the_last_one_holds_and_an_empty_line_takes_all_back() -> None:
    start = "ExecStart=/bin/a"
    assert service(f"{start}\nEnvironment=A=1 B=2", 'Environment="A=3 4"').environment == (("A", "3 4"), ("B", "2"))
    assert service(f"{start}\nEnvironment=A=1\nEnvironment=\nEnvironment=B=%i").environment == (("B", "one-two"),)


def test_what_our_drop_in_says_is_what_is_read() -> None:
    values = {"A": 'say "50%"', "B": "c:\\x\\", "C": "two\nlines\tand $HOME ${X}", "D": "", "E": "ä 'q' ; #"}
    env = tuple(variable(key, value) for key, value in values.items())
    text = Dropin(("bus.service",), ("file:/etc/a b",), env, "sha256:1").render()
    seen = read(NAME, [("/u", "[Service]\nExecStart=/bin/a"), ("/d", text)])
    assert dict(seen.environment) == {**values, "RECONCILER_STARTED_WITH": "sha256:1"}


def test_all_that_a_supervisor_needs_to_know() -> None:
    seen = service(
        "ExecStart=/bin/a\nExecStartPre=-/bin/b\nWorkingDirectory=-/srv/%i\nEnvironmentFile=-/etc/a\n"
        "EnvironmentFile=/etc/b\nRestart=on-failure\nRestartSec=5\nTimeoutStopSec=1min 5s\nKillSignal=SIGINT\n"
        "RemainAfterExit=yes\nUser=sensor\n"
    )
    assert seen == Service(
        before=(Command(("/bin/b",), may_fail=True),),
        main=(Command(("/bin/a",)),),
        environment_files=(Source("/etc/a", optional=True), Source("/etc/b", optional=False)),
        directory=Source("/srv/one-two", optional=True),
        restart="on-failure",
        remains=True,
        stop_seconds=65,
        stop_signal="INT",
    )


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("500ms", 0.5), ("1.5 s", 1.5), ("infinity", 90), ("2h", 90)])
def test_times_end_before_an_effect_must(text: str, seconds: float) -> None:
    assert service(f"ExecStart=/bin/a\nTimeoutStopSec={text}").stop_seconds == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ExecStart", r"'ExecStart' is no key=value: /etc/0:3"),
        ('ExecStart="/bin/a', r"never closed: /etc/0:3"),
        ("ExecStart=/bin/a %h", r"'%h' is not known here.*: /etc/0:3"),
        ("ExecStart=-", r"names no program"),
        ("ExecStart=/bin/a ; ; b", r"a command is empty"),
        ("Environment=A", r"'A' is no KEY=value"),
        ("Restart=perhaps", r"'perhaps' is none of no, on-success"),
        ("KillSignal=SIGNAL", r"there is no signal 'SIGNAL'"),
        ("TimeoutStopSec=soon", r"'soon' is no span of time"),
        ("WorkingDirectory=srv", r"'srv' is not an absolute path"),
        ("RemainAfterExit=maybe", r"'maybe' is neither yes nor no"),
        ("[Service", r"never closed: /etc/0:3"),
    ],
)
def test_an_error_names_file_and_line(text: str, says: str) -> None:
    with pytest.raises(Rejected) as caught:
        service(f"\n{text}")
    assert re.search(says, str(caught.value)), str(caught.value)


def test_what_stands_in_no_section_is_an_error() -> None:
    with pytest.raises(Rejected, match=r"'A=b' stands in no section: /f:1"):
        list(lines("/f", "A=b"))


def test_a_file_of_variables() -> None:
    first = '# A=no\n; B=no\nA=1\n B = two words \nC="a \\"b\\" \\$x\n2nd"\n'
    second = "D='$a \\n'\nE=a\\\nb\nF=\nnonsense\nG=x'y z'\"w\"\n"
    assert read_variables(first + second) == {
        "A": "1",
        "B": "two words",
        "C": 'a "b" $x\n2nd',
        "D": "$a \\n",
        "E": "ab",
        "F": "",
        "G": "xy zw",
    }
