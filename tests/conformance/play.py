#!/usr/bin/python3
"""Play the OASIS transcripts against a running daemon, in every encoding, and say which pass.

usage: play.py [--set FOLDER]... [--case NAME]... [--encoding ttlv|json|xml] [--table FILE] [-v]
example: CLAVIGER_BUILD=build tests/conformance/play.py --case SKLC-M-1-14 -v

Sets are folders of transcripts; without --set those beside the project (../shared/vectors/kmip/oasis-*). A daemon of its own is
started in a temporary folder; every case is played by a client that sees an empty store.
"""

import argparse
import re
import shutil
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]
from codec import Tables  # noqa: E402
from harness import Daemon, free_port, shared  # noqa: E402
from peer import Peer  # noqa: E402
from transcript import Play, query_lists, read  # noqa: E402

# Cases that each want another behaviour of the server in answer to the same request: a daemon with that setting.
SETTINGS = {"CS-RNG-O-2": {"kmip.rng_seed": "half"}, "CS-RNG-O-3": {"kmip.rng_seed": "ignored"},
            "CS-RNG-O-4": {"kmip.rng_seed": "refused"}}
LIVES = re.compile(r"(SASED|TL)-M-(\d)")  # these cases go on with what the one before them made


class Server:
    """A daemon that serves KMIP, and as many clients as there are cases."""

    def __init__(self, settings=None):
        self.folder = Path(tempfile.mkdtemp(prefix="clv."))
        self.ttlv, self.https = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        self.daemon = Daemon(self.folder / "d", diameter=False, settings={
            "kmip.listen": "127.0.0.1:%d" % self.ttlv[1], "https.listen": "127.0.0.1:%d" % self.https[1],
            **(settings or {})})
        self.count, self.lock = 0, threading.Lock()

    def __enter__(self):
        try:
            self.daemon.init()
            self.daemon.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.daemon.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, tables):
        with self.lock:
            self.count += 1
            name = f"case-{self.count}"
        folder = self.folder / name
        self.daemon.cli("client", "create", name, "--kind", "kmip", "-o", folder)
        return Peer(folder, self.ttlv, self.https, tables)


def prologue(path, peer, encoding, tables):
    extra = HERE / "prologue" / path.name
    if not extra.exists():
        return
    play = Play()
    for request, _ in read(extra, tables):
        answer = peer.ask(play.fill(request), encoding)
        if any(item.child("ResultStatus").value != 0 for item in answer.children("BatchItem")):
            raise ConnectionError(f"the prologue failed:\n{answer.show(tables)}")


def play_case(path, peer, encoding, tables, verbose):
    """Problems, as text; none: []."""
    play = Play()
    web = "HTTPS" in path.name
    try:
        for number, (request, expected) in enumerate(read(path, tables), 1):
            play.ask(request)
            answer = peer.ask(play.fill(request), encoding, web)
            query_lists(expected, answer)
            problems = play.compare(expected, answer)
            play.remember(answer)
            if problems:
                if verbose:
                    print(f"--- {path.stem}, {encoding}, message {number}\n{request.show(tables)}\ngot\n{answer.show(tables)}")
                return [f"message {number}: {p}" for p in problems]
    except (OSError, ValueError, KeyError, IndexError) as failure:
        return [f"{type(failure).__name__}: {failure}"]
    return []


def named_encoding(case):
    """A MSGENC case is about one encoding, which it names; it is played in that one."""
    return {"HTTPS": "ttlv", "JSON": "json", "XML": "xml"}[case.split("-")[1]] if case.startswith("MSGENC") else None


def settings_of(case):
    return SETTINGS.get(case.rpartition("-")[0])


def play_apart(path, tables, args):
    """A case with a server of its own."""
    with Server(settings_of(path.stem)) as server:
        return {encoding: play_case(path, server.client(tables), encoding, tables, args.verbose) for encoding in args.encoding}


def wanted(path, args):
    life = LIVES.match(path.stem)
    return not args.case or path.stem in args.case or bool(life and any(case.startswith(life.group(1)) for case in args.case))


def play_encoding(folder, server, tables, args, encoding):
    """{case: problems, or None where it does not apply}, of the cases that one server plays."""
    results, peers = {}, {}
    for path in sorted(folder.glob("*.xml")):
        if not wanted(path, args) or settings_of(path.stem):
            continue
        if named_encoding(path.stem) not in (None, encoding):
            results[path.stem] = None
            continue
        life = LIVES.match(path.stem)
        key = life.group(1) if life else path.stem
        if key not in peers:
            peers[key] = server.client(tables)
        try:
            prologue(path, peers[key], encoding, tables)
        except (OSError, ValueError) as failure:
            results[path.stem] = [f"{type(failure).__name__}: {failure}"]
            continue
        problems = play_case(path, peers[key], encoding, tables, args.verbose)
        peers[key].close()
        if not args.case or path.stem in args.case:
            results[path.stem] = problems
    return results


def play_set(folder, server, tables, args):
    """{case: {encoding: problems, or None where it does not apply}}. The encodings are played at the same time."""
    with ThreadPoolExecutor() as pool:
        played = {e: pool.submit(play_encoding, folder, server, tables, args, e) for e in args.encoding}
        apart = {path.stem: pool.submit(play_apart, path, tables, args) for path in sorted(folder.glob("*.xml"))
                 if wanted(path, args) and settings_of(path.stem)}
        results = {case: future.result() for case, future in apart.items()}
        for encoding, future in played.items():
            for case, problems in future.result().items():
                results.setdefault(case, {})[encoding] = problems
    return results


def table(sets, encodings):
    word = {None: "–"}
    lines = ["# KMIP conformance", "",
             "Made by `tests/conformance/play.py`: each row is one OASIS profile test case, played against a daemon in each encoding.", ""]
    for name, results in sets.items():
        passed = sum(p == [] for r in results.values() for p in r.values())
        failed = sum(bool(p) for r in results.values() for p in r.values())
        lines += [f"## {name}", "", f"{passed} passed, {failed} failed.", "",
                  "| case | " + " | ".join(e.upper() for e in encodings) + " |", "|---" * (len(encodings) + 1) + "|"]
        for case, result in sorted(results.items()):
            lines.append(f"| {case} | " + " | ".join(
                word.get(result[e] if result[e] is None else 0) or ("pass" if result[e] == [] else "FAIL") for e in encodings) + " |")
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], help="a folder of transcripts")
    parser.add_argument("--case", action="append", default=[], help="play this case only")
    parser.add_argument("--encoding", action="append", default=[], choices=["ttlv", "json", "xml"])
    parser.add_argument("--table", help="write the table of results here")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the messages of what fails")
    args = parser.parse_args()
    args.encoding = args.encoding or ["ttlv", "json", "xml"]
    vectors, specs = shared("vectors", "kmip"), shared("specs", "kmip")
    folders = [Path(f) for f in args.set] or (sorted(vectors.glob("oasis-*")) if vectors else [])
    if specs is None or not folders:
        print("skipped: no transcripts beside the project")
        return 77
    tables = Tables(specs)
    with Server() as server:
        sets = {folder.name: play_set(folder, server, tables, args) for folder in folders}
    passed = failed = 0
    for results in sets.values():
        for case, result in sorted(results.items()):
            for encoding, problems in result.items():
                passed += problems == []
                failed += bool(problems)
                for problem in problems or []:
                    print(f"{case} {encoding}: {problem}")
    if args.table:
        Path(args.table).write_text(table(sets, args.encoding))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
