#!/usr/bin/env python3
"""The pages before a made-up factory: no daemon, no token, no device. For work on web/ only.

usage: web/dev/mock.py [--help] [--port N] [--readable] [--slow SECONDS] [--quiet-line]
  --port N        listen on 127.0.0.1:N (0: a free one; 8085 otherwise)
  --readable      bundle with source maps
  --slow SECONDS  every answer of the API takes that long
  --quiet-line    no new runs, no events: the line stands still
example: web/dev/mock.py --port 8090      then http://localhost:8090, user admin, password admin

It answers as docs/api.md says, keeps everything in memory and checks nothing: what is right and wrong is the daemon's to know, and
tests/ui asks a real one.
"""

import argparse
import datetime
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
          "form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
dice = random.Random(637)


def when(seconds_ago=0.0):
    t = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(text, kind="sha256"):
    return hashlib.new(kind, text.encode()).hexdigest()


class Refusal(Exception):
    def __init__(self, status, code, text, detail="", hint=""):
        super().__init__(text)
        self.status, self.body = status, {"code": code, "text": text, "detail": detail, "hint": hint}


CODES = [
    (4, "no communication with the device under test", "See that the cable is plugged in, that the port named is the one the device is on, and that the device has power."),
    (8, "the calibration of the device is bad", "See that the communication module sits properly in the meter, and that the meter has power and is configured for this module."),
    (12, "firmware could not be loaded into the device", "See that the cable is plugged in, and run the device again."),
    (21, "the device does not join over the air", "See that the access point is on the air and that the device is within its range; the access point's own page shows its state."),
]


class Factory:
    """Everything there is."""

    def __init__(self):
        self.lock = threading.RLock()
        self.jobs, self.uploads, self.downloads, self.imports = {}, {}, {}, {}
        self.sessions, self.serial, self.listeners = {}, 0, []
        self.users = {
            "admin": self.user("admin", "administrator", 86400 * 90, 20),
            "mira.line": self.user("mira.line", "factory", 86400 * 60, 4000),
            "jonas.keys": self.user("jonas.keys", "officer", 86400 * 60, 86400 * 2),
            "ops-east": self.user("ops-east", "operator", 86400 * 41, 86400),
            "audit.extern": self.user("audit.extern", "auditor", 86400 * 12, None, must_change=True),
            "t.keller": self.user("t.keller", "technician", 86400 * 80, 86400 * 33, state="disabled"),
        }
        self.packagers = [{"name": "packaging-server", "fingerprint": digest("packager"), "created": when(86400 * 88)}]
        self.packages = {}
        for config, label, node, version, apps, comment, age, aliases, revisions in (
                ("0x0000012345678abc", "kite_170_node_637", "UNODE", "2.14.6", [("emcm", "5.6.7"), ("zigbee", "1.2.3")],
                 "Metering, dev network, with the new antenna table", 7200, ["kite_170_node_637_dev_net"], 3),
                ("0x0000000000000045", "heron_sgm3_falcon", "UNODE", "1.9.0", [("emcm", "5.6.7")], "Series 4, release for metro-east",
                 86400 * 6, ["heron_metro_east", "heron"], 2),
                ("0x00000000000001f4", "osprey_gas_12", "MNODE", "2.14.1", [("gas-meter", "0.9.4"), ("valve", "0.3.1")],
                 "Gas pilot, 200 pieces", 86400 * 20, [], 1),
                ("0x0000000000000010", "reference_board", "UNODE", "2.14.6", [], "Bare node for bring-up", 86400 * 51, ["bringup"], 5)):
            self.packages[config] = self.package(config, label, node, version, apps, comment, age, aliases, revisions)
        self.stations = {f"line-{n}": {"name": f"line-{n}", "operator": who, "last": when(ago), "passed": 0, "failed": 0, "busy": busy}
                         for n, who, ago, busy in ((1, "mira", 8, True), (2, "mira", 31, True), (3, "deniz", 4, True), (4, "", 1900, False))}
        self.devices, self.runs, self.exports = [], [], []
        now = time.time()
        for n in range(640):
            age = 3600 * (1 - n / 640) ** 1.2
            self.run(now - age)
        self.exports.append({"id": 1, "time": when(86400 * 5), "by": "mira.line", "devices": 2400, "config_id": "0x0000000000000045",
                             "batches": "990-999", "nodes": None, "from": None, "to": None, "only_new": True})
        self.exports.append({"id": 2, "time": when(5400), "by": "mira.line", "devices": 118, "config_id": None, "batches": "1000",
                             "nodes": None, "from": None, "to": None, "only_new": True})
        for device in self.devices[:118]:
            device["exported"] = device["state"] == "provisioned"
        self.networks = {
            "metro-east": self.network("metro-east", 48210, 37, 2, 4), "metro-west": self.network("metro-west", 12874, 4, 0, 2),
            "harbour-pilot": self.network("harbour-pilot", 200, 0, 0, 1),
        }
        self.clients = [
            {"name": f"line-{n}", "kind": "station", "enabled": n != 4, "permissions": [], "groups": [], "placement": "vault",
             "certificate": digest(f"line{n}"), "has_password": False, "created": when(86400 * 70), "disabled": None, "not_after": when(-86400 * (n * 25 - 30))} for n in range(1, 5)]
        self.clients += [
            {"name": name, "kind": "kmip", "enabled": True, "permissions": may, "groups": groups, "placement": place,
             "certificate": digest(name), "has_password": False, "created": when(86400 * 30), "disabled": None, "not_after": when(-86400 * 795)}
            for name, may, groups, place in (("billing-db", ["read", "create", "use"], ["billing"], "vault"),
                                             ("backup-vault", ["read", "create"], ["storage", "offsite"], "vault"),
                                             ("meter-ca", ["use", "certify"], ["pki"], "token"))]
        self.objects = self.kmip_objects()
        self.records = []
        for n in range(400):
            kind, actor, text = dice.choice([
                ("release", "gw1.metro-east.example", ""), ("release", "gw2.metro-east.example", ""), ("import-row", "line-2", ""),
                ("note-package", "mira.line", "imported 0x0000012345678abc revision 3"), ("login", "mira.line", "192.0.2.17"),
                ("domain-load", "daemon", ""), ("head-signature", "daemon", ""), ("export-line", "line-1", "gateway keys of metro-east")])
            self.records.append({
                "seq": 80000 + n, "time": when((400 - n) * 47), "kind": kind, "result": "OK" if dice.random() > 0.03 else "DENIED",
                "domain": 3, "table": "node" if kind == "release" else "", "purpose": "gateway" if kind == "release" else "",
                "node": f"0x{0x10200 + n:08x}" if kind == "release" else None, "row": 0, "epoch": 1, "actor": actor, "text": text,
                "segment": 12, "offset": n * 200, "hash": digest(f"record{n}")})

    @staticmethod
    def user(name, role, age, login, must_change=False, state="active"):
        return {"name": name, "role": role, "state": state, "created": when(age), "last_login": None if login is None else when(login),
                "must_change": must_change, "locked_until": None, "password": "admin"}

    @staticmethod
    def kmip_objects():
        """The newest first: keys of a database, of storage, and a certification authority's with links."""
        rows = []

        def add(n, kind, algorithm, length, name, group, owner, placement="vault", state=None, links=(), **more):
            age = 3600 * 7 * n + 500
            state = state or ("Active", "Active", "Active", "Active", "Deactivated", "Active", "Pre-Active", "Active", "Destroyed")[n % 9]
            made, changed = when(age + 86400 * 9), when(age)
            row = {"id": f"019ab3c4-{n:04x}-7{n * 37 % 4096:03x}-9a1b-2c3d4e5f{0x6000 + n:04x}", "type": kind, "algorithm": algorithm, "length": length,
                   "state": state, "names": [name], "group": group, "placement": placement, "archived": False, "created": made,
                   "activation": None if state == "Pre-Active" else made, "deactivation": changed if state == "Deactivated" else None,
                   "last_change": changed, "owner": owner, "usage": more.get("usage"), "links": list(links)}
            row["history"] = [{"date": d, "time": t} for d, t in (
                ("Original Creation Date", made), ("Initial Date", made), ("Activation Date", row["activation"]),
                ("Deactivation Date", row["deactivation"]), ("Destroy Date", changed if state == "Destroyed" else None), ("Last Change Date", changed)) if t]
            hidden = f"HashingAlgorithm=SHA_256, DigestValue={digest(name) if kind in ('Public Key', 'Certificate') else '***'}, KeyFormatType=Raw"
            row["attributes"] = [{"name": a, "value": str(v)} for a, v in [
                ("Unique Identifier", row["id"]), ("Object Type", kind.replace(" ", "")), ("Cryptographic Algorithm", algorithm),
                ("Cryptographic Length", length), ("Cryptographic Usage Mask", "Sign" if kind == "Private Key" else "Verify" if kind == "Public Key" else "Encrypt|Decrypt"),
                ("State", state), ("Initial Date", made), ("Last Change Date", changed), ("Name", name), ("Object Group", group),
                ("Sensitive", "true"), ("Extractable", "false" if placement == "token" else "true"), ("Digest", hidden),
                *[("Link", f"LinkType={link['type'].replace(' ', '')}, LinkedObjectIdentifier={link['id']}") for link in links]] if v]
            rows.append(row)
            return row
        private = add(0, "Private Key", "EC", 256, "meter-ca-signer", "pki", "meter-ca", "token", "Active")
        public = add(1, "Public Key", "EC", 256, "meter-ca-signer-public", "pki", "meter-ca", links=[{"type": "Private Key Link", "id": private["id"]}], state="Active")
        private["links"] = [{"type": "Public Key Link", "id": public["id"]}]
        private["attributes"].append({"name": "Link", "value": f"LinkType=PublicKeyLink, LinkedObjectIdentifier={public['id']}"})
        add(2, "Certificate", "", 0, "meter-ca", "pki", "meter-ca", state="Active", links=[{"type": "Public Key Link", "id": public["id"]}])
        add(3, "Secret Data", "", 0, "billing-db administrator", "billing", "billing-db", state="Active")
        for n in range(4, 180):
            if n % 3:
                add(n, "Symmetric Key", "AES", 256, f"billing/tablespace-{n:03}", "billing", "billing-db",
                    usage={"total": 1 << 30, "left": (1 << 30) - n * 7919, "unit": "Byte"} if n % 7 == 0 else None)
            else:
                add(n, "Symmetric Key", "AES", 256, f"tape/LTO9-{n:05}", "storage", "backup-vault", state="Compromised" if n == 33 else None)
        return rows

    @staticmethod
    def package(config, label, node, version, apps, comment, age, aliases, revisions):
        files = [("kms_key.pub.pem", "kms-key", 451), ("gw_keys.csv.aes", "gateway-keys", 1184), ("gw_keys.csv.aes.sig", "gateway-keys-signature", 256),
                 ("node.bin", "firmware", 131072), ("node_field.cfg", "field-configuration", 2210), ("node_factory.cfg", "factory-configuration", 890)]
        for name, _ in apps:
            files += [(f"{name}.bin", "firmware", 88 * 1024), (f"{name}_field.cfg", "field-configuration", 1100), (f"{name}.pub.pem", "public-key", 451)]
        return {
            "config_id": config, "revision": revisions, "label": label, "node_type": node, "node_version": version,
            "applications": [{"name": n, "version": v, "firmware": f"{n}.bin", "field_configuration": f"{n}_field.cfg",
                              "factory_configuration": None, "public_key": f"{n}.pub.pem"} for n, v in apps],
            "aliases": aliases, "network": "metro-east", "comment": comment, "imported": when(age), "imported_by": "mira.line",
            "created": when(age + 86400), "packager": "packaging-server", "sha256": digest(config), "size": sum(f[2] for f in files) // 2,
            "kms_key": {"fingerprint": digest("kms"), "bits": 2048},
            "gateway_keys": {"network": "metro-east", "realm": "metro-east.example", "versions": {"gateway": 4, "cdld": 3}}, "hardware": ["K170", "K171"],
            "node": {"type": node, "version": version, "firmware": "node.bin", "field_configuration": "node_field.cfg",
                     "factory_configuration": "node_factory.cfg"},
            "files": [{"name": n, "role": r, "size": s, "sha256": digest(config + n), "md5": digest(config + n, "md5")} for n, r, s in files],
            "revisions": [{"revision": r, "imported": when(age + (revisions - r) * 86400 * 9), "imported_by": "mira.line",
                           "comment": comment if r == revisions else f"Revision {r}"} for r in range(revisions, 0, -1)],
        }

    @staticmethod
    def network(name, active, revoked, destroyed, version):
        keys = [{"key": key, "version": v, "state": "active" if v == version else "previous" if v == version - 1 else "destroyed",
                 "created": when(86400 * (31 * (version - v) + 12)), "activates": when(86400 * (31 * (version - v) + 12))}
                for key in ("gateway", "gateway_cdld") for v in range(1, version + 1)]
        return {"name": name, "realm": f"{name}.example", "id_bits": 32, "created": when(86400 * 200), "passphrase_version": 1,
                "passphrase_salt": "00", "argon2id": {}, "domain_version": 2, "resealing": False, "keys": keys,
                "nodes": {"active": active, "revoked": revoked, "destroyed": destroyed}}

    def run(self, at):
        """One run on the line, as it would be reported."""
        stamp = when(time.time() - at)
        station = dice.choice(list(self.stations)[:3])
        code = 0 if dice.random() > 0.045 else dice.choice(CODES)[0]
        node = f"0x{0x00010200 + len(self.runs):08x}"
        config = dice.choices(list(self.packages), [8, 3, 1, 0])[0]
        batch = 1000 + len(self.runs) // 180
        run = {"id": len(self.runs) + 1, "run": str(uuid.UUID(int=dice.getrandbits(128))), "node_id": node, "operation": "PROVISION",
               "station": station, "operator": self.stations[station]["operator"], "batch": batch, "config_id": config, "begun": stamp,
               "ended": stamp, "return_code": code, "text": next((t for c, t, _ in CODES if c == code), None), "time": at,
               "versions_before": {"node": "2.13.9"}, "versions_after": {"node": "2.14.6"} if code == 0 else {"node": "2.13.9"}}
        self.runs.append(run)
        self.devices.append({"node_id": node, "config_id": config, "revision": self.packages[config]["revision"], "batch": batch,
                             "state": "provisioned" if code == 0 else "keyed", "station": station, "operator": run["operator"], "time": stamp,
                             "return_code": code, "exported": False})
        self.stations[station]["last"] = stamp
        return run

    def line(self, minutes):
        since = time.time() - 60 * minutes
        runs = [r for r in self.runs if r["time"] >= since]
        stations = {n: {**s, "passed": 0, "failed": 0} for n, s in self.stations.items()}
        batches, codes, step = {}, {}, max(60, minutes * 60 // 60)
        start = int(since) // step * step
        chart = [{"time": when(time.time() - t), "passed": 0, "failed": 0} for t in range(start, int(time.time()) + 1, step)]
        for r in runs:
            good = "passed" if r["return_code"] == 0 else "failed"
            stations[r["station"]][good] += 1
            batches.setdefault(r["batch"], {"batch": r["batch"], "passed": 0, "failed": 0})[good] += 1
            chart[min(len(chart) - 1, int(r["time"] - start) // step)][good] += 1
            codes[r["return_code"]] = codes.get(r["return_code"], 0) + 1
        texts = {c: (t, a) for c, t, a in CODES}
        return {"stations": list(stations.values()), "batches": sorted(batches.values(), key=lambda b: -b["batch"]), "chart": chart,
                "codes": [{"code": c, "count": n, "text": texts.get(c, ("done", ""))[0], "action": texts.get(c, ("", ""))[1]}
                          for c, n in sorted(codes.items(), key=lambda i: -i[1])]}

    def number(self):
        with self.lock:
            self.serial += 1
            return self.serial

    def start(self, kind, steps, finish, seconds=0.6):
        """A job that takes a while."""
        job = {"job": self.number(), "kind": kind, "state": "running", "stage": steps[0], "done": 0, "total": 100, "lines": [], "next": 0}
        self.jobs[job["job"]] = job

        def work():
            for i in range(10):
                time.sleep(seconds / 10)
                job.update(done=10 * (i + 1), stage=steps[i * len(steps) // 10])
                self.tell("job", job)
            try:
                job["result"] = finish()
                job["state"] = "done"
            except Refusal as refusal:
                job["error"], job["state"] = refusal.body, "failed"
            self.tell("job", job)
        threading.Thread(target=work, daemon=True).start()
        return {"job": job["job"]}

    def tell(self, name, data):
        for listener in list(self.listeners):
            listener.append((name, data))


class Api:
    """Routes: method and path to a function of the factory, path parts and query and body."""

    def __init__(self, factory):
        self.f = factory

    def answer(self, method, parts, query, body, session):
        name = "_".join(p for p in parts if p)
        f = self.f
        match (method, *parts):
            case ("GET", "status"):
                return self.status()
            case ("GET", "factory", "packages"):
                q = query.get("q", "").lower()
                return {"packages": [p for p in f.packages.values() if q in json.dumps(p).lower()], "next": None}
            case ("GET", "factory", "packages", config):
                return self.revision(self.of(f.packages, config), query.get("revision"))
            case ("GET", "factory", "packages", config, "files", file):
                return f"made-up bytes of {file} of {config}\n".encode()
            case ("GET", "factory", "aliases"):
                return {"aliases": [{"alias": a, "config_id": p["config_id"]} for p in f.packages.values() for a in p["aliases"]]}
            case ("PUT", "factory", "aliases", alias):
                self.of(f.packages, body["config_id"])
                for p in f.packages.values():
                    p["aliases"] = [a for a in p["aliases"] if a != alias] + ([alias] if p["config_id"] == body["config_id"] else [])
                return {}
            case ("DELETE", "factory", "aliases", alias):
                for p in f.packages.values():
                    p["aliases"] = [a for a in p["aliases"] if a != alias]
                return {}
            case ("GET", "packagers"):
                return {"packagers": f.packagers}
            case ("POST", "packagers"):
                if "BEGIN PUBLIC KEY" not in body["public_key"]:
                    raise Refusal(400, "BAD_KEY", "not a public key", "public_key", "PEM, beginning with -----BEGIN PUBLIC KEY-----")
                f.packagers.append({"name": body["name"], "fingerprint": digest(body["public_key"]), "created": when()})
                return {}
            case ("DELETE", "packagers", packager):
                f.packagers = [p for p in f.packagers if p["name"] != packager]
                return {}
            case ("POST", "factory", "imports"):
                return self.stage(body, session)
            case ("POST", "factory", "imports", number, "commit"):
                p = f.imports.pop(number, None) or self.missing("import", number)
                old = f.packages.pop(p["config_id"], None)
                f.packages = {p["config_id"]: p, **f.packages}
                return {"config_id": p["config_id"], "revision": p["revision"], "replaces": old and old["revision"]}
            case ("DELETE", "factory", "imports", number):
                f.imports.pop(number, None)
                return {}
            case ("GET", "factory", "devices"):
                return self.devices(query)
            case ("GET", "factory", "devices", node):
                device = next((d for d in f.devices if d["node_id"] == node), None) or self.missing("device", node)
                return {**device, "runs": [r for r in f.runs if r["node_id"] == node],
                        "keyings": [{"serial": 7, "time": device["time"], "station": device["station"], "batch": device["batch"], "config_id": device["config_id"],
                                     "revision": device["revision"], "kcv": digest(device["node_id"])[:16]}],
                        "applications": [{"name": "emcm", "id": "0x0001f3a2"}], "exports": f.exports[1:2] if device["exported"] else []}
            case ("GET", "factory", "runs"):
                return {"runs": f.runs[:-1 - int(query.get("limit", 100)):-1], "next": None}
            case ("GET", "factory", "line"):
                return f.line(int(query.get("minutes", 60)))
            case ("GET", "factory", "exports"):
                return {"exports": f.exports[::-1]}
            case ("POST", "factory", "exports"):
                return self.export(body, session)
            case ("POST", "factory", "exports", number, "repeat"):
                past = next((e for e in f.exports if str(e["id"]) == number), None) or self.missing("export", number)
                return f.start("export", ["write"], lambda: {"export": past["id"], "devices": past["devices"], "download": self.download()})
            case ("GET", "networks"):
                return {"networks": list(f.networks.values())}
            case ("POST", "networks"):
                f.networks[body["name"]] = f.network(body["name"], 0, 0, 0, 1)
                return f.networks[body["name"]]
            case ("GET", "networks", network):
                return self.of(f.networks, network)
            case ("POST", "networks", network, "rotate"):
                keys = self.of(f.networks, network)["keys"]
                mine = [k for k in keys if k["key"] == body["key"]]
                for k in mine:
                    k["state"] = "previous" if k["state"] == "active" else k["state"]
                keys.append({"key": body["key"], "version": len(mine) + 1, "state": "active", "created": when(), "activates": when()})
                return {"version": len(mine) + 1}
            case ("GET", "networks", network, "batches"):
                return {"batches": [{"batch": 7, "nodes": 1000, "when": when(86400 * 40), "actor": "ops-east", "operation": "import"},
                                    {"batch": 1000, "nodes": 118, "when": when(3600), "actor": "ops-east", "operation": "import"}]}
            case ("GET", "networks", network, "nodes"):
                first = int(query.get("from") or "0x10200", 16)
                rows = [{"id": f"0x{i:08x}", "state": "revoked" if i % 37 == 5 else "active", "batch": 7, "reprovisioned": 0, "epoch": 41}
                        for i in range(max(first, 0x10200), 0x10600)]
                state = query.get("state")
                return {"nodes": [r for r in rows if not state or r["state"] == state][:100], "id_bits": 32}
            case ("GET", "networks", network, "nodes", node):
                return {"id": node, "state": "active", "batch": 7, "reprovisioned": 1, "epoch": 41, "written": when(86400 * 3),
                        "operation": "import", "actor": "ops-east", "versions": 2,
                        "history": [{"reprovisioned": 0, "batch": 6, "epoch": 12, "replaced": when(86400 * 3)}]}
            case ("GET", "gateways"):
                return {"gateways": [{"host": f"gw{n}.metro-east.example", "realm": "metro-east.example", "enabled": True, "require_tls": n > 1,
                                      "has_secret": False, "connected": n < 3, "networks": ["metro-east"]} for n in range(1, 4)]}
            case ("GET", "domains"):
                return {"domains": [{"network": n, "version": 2, "resealing": False} for n in f.networks] + [{"objects": True, "version": 3, "resealing": False}]}
            case ("GET", "objects"):
                return self.objects(query)
            case ("GET", "objects", identifier):
                return next((o for o in f.objects if o["id"] == identifier), None) or self.missing("object", identifier)
            case ("POST", "objects", "rotate"):
                return f.start("rotate", ["reseal"], lambda: {"objects": True, "version": 4})
            case ("GET", "clients"):
                return {"clients": f.clients}
            case ("POST", "clients"):
                f.clients.append({"name": body["name"], "kind": body["kind"], "enabled": True, "permissions": [], "groups": [], "placement": "vault",
                                  "certificate": digest(body["name"]), "has_password": False, "created": when(), "disabled": None, "not_after": when(-86400 * 825)})
                return {"certificate_pem": "made up\n", "ca_pem": "made up\n", "not_after": when(-86400 * 365)}
            case ("POST", "clients", client, "certificate"):
                return {"certificate_pem": "made up\n", "ca_pem": "made up\n", "not_after": when(-86400 * 365)}
            case ("POST", "clients", client, what):
                next(c for c in f.clients if c["name"] == client)["enabled"] = what == "enable"
                return {}
            case ("DELETE", "clients", client):
                f.clients = [c for c in f.clients if c["name"] != client]
                return {}
            case ("GET", "users"):
                return {"users": [{k: v for k, v in u.items() if k != "password"} for u in f.users.values()]}
            case ("POST", "users"):
                if body["name"] in f.users:
                    raise Refusal(409, "EXISTS", "there is one already", f"user '{body['name']}'")
                f.users[body["name"]] = {**f.user(body["name"], body["role"], 0, None, must_change=True), "password": "maple-orbit-candle-19"}
                return {"name": body["name"], "role": body["role"], "password": "maple-orbit-candle-19"}
            case ("PATCH", "users", user):
                u = self.of(f.users, user)
                u["role"] = body.get("role", u["role"])
                if "disabled" in body:
                    u["state"] = "disabled" if body["disabled"] else "active"
                if body.get("reset"):
                    u.update(must_change=True, password="linen-harbor-violet-52")
                    return {"password": "linen-harbor-violet-52"}
                return {}
            case ("DELETE", "users", user):
                f.users.pop(user, None)
                return {}
            case ("GET", "audit"):
                rows = [r for r in f.records if query.get("kind", "") in ("", r["kind"]) and query.get("actor", "") in ("", r["actor"])
                        and query.get("q", "").lower() in " ".join(str(v) for v in r.values()).lower()
                        and query.get("from", "") <= r["time"] <= query.get("to", "9") and r["seq"] < int(query.get("before", 1 << 62))]
                return {"records": rows[-int(query.get("last", 20)):], "kinds": sorted({r["kind"] for r in f.records})}
            case ("POST", "audit", "verify"):
                return f.start("verify", ["verify"], lambda: {
                    "verified": True, "segments": 13, "records": 80400, "signatures": 412, "first_time": when(86400 * 200), "last_time": when(4),
                    "signed_seq": 80388, "signed_time": when(60), "head_seq": 80400, "head": digest("head"), "torn_bytes": 0})
            case ("POST", "uploads"):
                number = f.number()
                f.uploads[number] = b""
                return {"upload": number}
            case ("PUT", "uploads", number):
                f.uploads[int(number)] += body
                return {}
            case ("DELETE", "uploads" | "downloads" | "jobs", _):
                return {}
            case ("GET", "downloads", number):
                return f.downloads.get(int(number)) or self.missing("download", number)
            case ("GET", "jobs"):
                return {"jobs": [{name: value for name, value in job.items() if name in ("job", "kind", "owner", "state", "stage", "done", "total", "error")}
                                 for job in reversed(f.jobs.values())]}
            case ("GET", "jobs", number):
                return f.jobs.get(int(number)) or self.missing("job", number)
            case ("POST", "reload"):
                return {}
            case ("POST", "backup"):
                return f.start("backup", ["copy"], lambda: {"name": "claviger-backup.db", "download": self.download(), "bytes": 4096, "packages": None})
        raise Refusal(404, "NOT_FOUND", "not found", name)

    @staticmethod
    def missing(what, name):
        raise Refusal(404, "NOT_FOUND", "not found", f"{what} '{name}'")

    def of(self, table, name):
        return table.get(name) or self.missing("entry", name)

    @staticmethod
    def revision(package, wanted):
        if wanted is None or int(wanted) == package["revision"]:
            return package
        row = next((r for r in package["revisions"] if r["revision"] == int(wanted)), None) or Api.missing("revision", wanted)
        return {**package, **row}

    def download(self):
        number = self.f.number()
        self.f.downloads[number] = b'<deviceKeys xmlns="urn:claviger:device-keys:1"/>\n'
        return number

    def stage(self, body, session):
        f = self.f

        def finish():
            if body["passphrase"] == "wrong":
                raise Refusal(400, "PASSPHRASE", "the passphrase is wrong", "gw_keys.csv.aes", "it is the one the gateway key file was made with")
            config = "0x0000000000000045"
            p = f.package(config, "heron_sgm3_falcon", "UNODE", "1.9.1", [("emcm", "5.6.8")], body.get("comment", ""), 0, ["heron"], 3)
            number = str(f.number())
            f.imports[number] = {**p, "imported_by": session["user"]}
            return {"import": number, "package": p, "replaces": f.packages[config]["revision"] if config in f.packages else None}
        return f.start("import", ["unpack", "signature", "files", "keys"], finish, 1.2)

    def devices(self, query):
        rows = [d for d in reversed(self.f.devices) if query.get("q", "").lower() in d["node_id"]
                and query.get("state", d["state"]) == d["state"] and query.get("batch", str(d["batch"])) == str(d["batch"])
                and query.get("config", d["config_id"]) == d["config_id"] and query.get("code", str(d["return_code"])) == str(d["return_code"])
                and {"yes": d["exported"], "no": not d["exported"]}.get(query.get("exported"), True)]
        start, limit = int(query.get("from", 0)), int(query.get("limit", 100))
        return {"devices": rows[start:start + limit], "next": start + limit if len(rows) > start + limit else None, "total": len(rows)}

    def export(self, body, session):
        f = self.f
        rows = [d for d in f.devices if d["state"] == "provisioned" and not (body.get("only_new") and d["exported"])
                and body.get("config_id", d["config_id"]) == d["config_id"]]
        if body.get("count_only"):
            return f.start("export", ["count"], lambda: {"devices": len(rows)}, 0.2)

        def finish():
            number = max(e["id"] for e in f.exports) + 1
            for d in rows:
                d["exported"] = True
            f.exports.append({"id": number, "time": when(), "by": session["user"], "devices": len(rows),
                              **{k: body.get(k) for k in ("config_id", "batches", "nodes", "from", "to", "only_new")}})
            return {"export": number, "devices": len(rows), "download": self.download()}
        return f.start("export", ["write"], finish)

    def objects(self, query):
        first, limit = int(query.get("from") or 0), int(query.get("limit", 100))
        shown = ("id", "type", "algorithm", "length", "state", "names", "group", "placement", "archived", "created", "activation", "deactivation", "last_change")
        rows = [o for o in self.f.objects if all(not query.get(k) or o[k] == query[k] for k in ("type", "state", "group", "algorithm", "placement"))
                and any(text.startswith(query.get("q", "")) for text in (o["id"], *o["names"]))]
        answer = {"objects": [{k: o[k] if o[k] != "" else None for k in shown} for o in rows[first:first + limit]],
                  "next": first + limit if first + limit < len(rows) and limit else None}
        if "counts" in query:
            def count(name):
                return {v: sum(1 for o in self.f.objects if o[name] == v) for v in sorted({o[name] for o in self.f.objects})}
            answer["counts"] = {"counted": when(), "total": len(self.f.objects), "types": count("type"), "states": count("state"),
                                "groups": [{"name": n, "objects": c} for n, c in count("group").items()]}
        return answer

    def status(self):
        return {
            "version": "0.1.0", "pid": 4711, "started": when(86400 * 3 + 7000), "configuration": "/etc/claviger/clavigerd.conf",
            "store": {"url": "sqlite:/var/lib/claviger/store.db", "bytes": 418 * 1024 * 1024, "log_bytes": 3 * 1024 * 1024, "commits": 918273, "schema": 9},
            "keeper": {"token": "SoftHSM2 claviger", "token_ready": True, "domains": 5, "released": 8123456, "exported": 2518, "imported": 61402,
                       "generated": 1204, "refused": 12, "malformed": 0, "records": 80400, "syncs": 40112, "started": 0, "head": digest("head")},
            "services": [{"service": "diameter", "state": "127.0.0.1:3868, 2 gateways connected"}, {"service": "kmip", "state": "0.0.0.0:5696, 3 clients known"},
                         {"service": "https", "state": "0.0.0.0:8085"}, {"service": "metrics", "state": "127.0.0.1:9464"}],
            "queues": [{"queue": q, "waiting": w, "running": r, "waiting_max": m} for q, w, r, m in (
                ("requests", 0, 1, 256), ("line", 3, 4, 1024), ("jobs", 1, 2, 64), ("store", 2400, 0, 4096), ("files", 1, 1, 64), ("imports", 0, 0, 8))],
            "counts": {"networks": 3, "gateways": 3, "nodes": 61284, "revoked": 41, "destroyed": 2},
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api, pages, slow, still = None, None, 0.0, False

    def log_message(self, *_):
        pass

    def send(self, status, kind, body, headers=()):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def session(self):
        cookie = self.headers.get("Cookie", "")
        return self.api.f.sessions.get(cookie.partition("claviger-mock=")[2].partition(";")[0])

    def handle_api(self, method):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = [urllib.parse.unquote(p) for p in url.path.split("/")[2:]]
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = raw if "octet-stream" in self.headers.get("Content-Type", "") else json.loads(raw or b"{}")
        time.sleep(self.slow)
        try:
            if (method, parts) == ("POST", ["login"]):
                self.login(body)
                return
            session = self.session()
            if session is None:
                raise Refusal(401, "LOGIN", "log in first")
            if method != "GET" and self.headers.get("X-Claviger-CSRF") != session["csrf"]:
                raise Refusal(403, "CSRF", "the request did not come from a page of ours")
            self.people(method, parts, body, session, query)
        except Refusal as refusal:
            self.send(refusal.status, "application/json", json.dumps({"error": refusal.body}).encode())

    def login(self, body):
        user = self.api.f.users.get(body.get("user"))
        time.sleep(0.1)
        if user is None or body.get("password") != user["password"] or user["state"] == "disabled":
            raise Refusal(401, "LOGIN", "name or password is wrong", "", "after some tries a name is locked for a while")
        token = uuid.uuid4().hex
        self.api.f.sessions[token] = {"user": user["name"], "role": user["role"], "csrf": uuid.uuid4().hex, "must_change": user["must_change"],
                                      "expires": when(-3600 * 8), "factory": True}
        self.send(200, "application/json", json.dumps(self.api.f.sessions[token]).encode(),
                  [("Set-Cookie", f"claviger-mock={token}; Path=/; HttpOnly; SameSite=Strict")])

    def people(self, method, parts, body, session, query):
        f = self.api.f
        match (method, *parts):
            case ("GET", "session"):
                answer = session
            case ("POST", "logout"):
                f.sessions = {t: s for t, s in f.sessions.items() if s is not session}
                answer = {}
            case ("PUT", "session", "password"):
                user = f.users[session["user"]]
                if body["old"] != user["password"]:
                    raise Refusal(403, "LOGIN", "the old password is wrong")
                user.update(password=body["new"], must_change=False)
                session["must_change"] = False
                answer = {}
            case ("GET", "events"):
                self.events(query.get("topics", "line,jobs").split(","))
                return
            case _:
                with f.lock:
                    answer = self.api.answer(method, parts, query, body, session)
        if isinstance(answer, bytes):
            self.send(200, "application/octet-stream", answer)
        else:
            self.send(200, "application/json", json.dumps(answer).encode(), [("Cache-Control", "no-store")])

    def events(self, topics):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        mine, number, beat = [], 0, time.monotonic()
        self.api.f.listeners.append(mine)
        try:
            self.wfile.write(b": hello\n\n")
            while True:
                while mine:
                    name, data = mine.pop(0)
                    if {"run": "line", "job": "jobs"}[name] not in topics:
                        continue
                    number += 1
                    self.wfile.write(f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode())
                if time.monotonic() - beat > 15:
                    beat = time.monotonic()
                    self.wfile.write(b": beat\n\n")
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass
        finally:
            self.api.f.listeners.remove(mine)
            self.close_connection = True

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path.startswith("/v1/"):
            self.handle_api("GET")
            return
        file = self.pages / ("index.html" if path == "/" else path.lstrip("/"))
        if ".." in path or not file.is_file():
            self.send(404, "text/plain", b"not found\n")
            return
        self.send(200, TYPES.get(file.suffix, "application/octet-stream"), file.read_bytes())

    def do_POST(self):
        self.handle_api("POST")

    def do_PUT(self):
        self.handle_api("PUT")

    def do_PATCH(self):
        self.handle_api("PATCH")

    def do_DELETE(self):
        self.handle_api("DELETE")


def work_on(factory):
    """The line goes on."""
    while True:
        time.sleep(dice.uniform(0.6, 2.4))
        with factory.lock:
            run = factory.run(time.time())
        factory.tell("run", run)


def serve(port, *, readable=False, slow=0.0, still=False):
    """Start in the background; gives the server (server_address, shutdown) and the factory."""
    folder = Path(tempfile.mkdtemp(prefix="claviger-pages."))
    subprocess.run([sys.executable, WEB / "build", *(["--readable"] if readable else []), folder], check=True)
    factory = Factory()
    handler = type("Here", (Handler,), {"api": Api(factory), "pages": folder, "slow": slow})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if not still:
        threading.Thread(target=work_on, args=(factory,), daemon=True).start()
    return server, factory


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--port", type=int, default=8085)
    parser.add_argument("--readable", action="store_true")
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--quiet-line", action="store_true")
    args = parser.parse_args()
    if args.help:
        print(__doc__.strip())
        return 0
    server, _ = serve(args.port, readable=args.readable, slow=args.slow, still=args.quiet_line)
    print(f"http://localhost:{server.server_address[1]}   user admin, password admin", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
