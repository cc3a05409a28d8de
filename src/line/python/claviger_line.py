"""Provisioning from Python: libclaviger-line for tools of a factory that are written in it.

provision() provisions a node, ProvisioningServerInterface.getConfig() and .setDutParams() are for tools that also provision a host:
docs/provisioning-client.md. Only the standard library is needed. The shared library is searched for as any other; CLAVIGER_LINE_LIBRARY
names it where it lies elsewhere.

    import logging, claviger_line
    conn = claviger_line.Connection("/dev/ttyUSB0", wrapper="rht_v2")
    code = claviger_line.provision(conn, logging.getLogger("line"), False, 0x12345678abc, "192.168.0.10", batch=1000)
"""

import ctypes
import logging
import os
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint16, c_uint32,
                    c_uint64, c_void_p, create_string_buffer, sizeof)

__all__ = ["Connection", "ConfigData", "EncryptKeyInfo", "ProvisioningError", "ProvisioningServerInterface", "TargetFileInfo", "codeAction",
           "codeText", "provision"]

DEFAULT_PORT = 8085
OPERATIONS = ("PROVISION", "PRETEST", "CHECKCONFIG", "POSTTEST")
_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


class _Error(Structure):
    _fields_ = [("code", c_int), ("text", c_char * 256)]


class _ServerConfig(Structure):
    _fields_ = [("size", c_size_t), ("host", c_char_p), ("port", c_uint16), ("plain", c_uint16), ("timeout_ms", c_uint),
                ("profile", c_char_p), ("cache", c_char_p), ("path_trans_from", c_char_p), ("path_trans_to", c_char_p)]


_Progress = CFUNCTYPE(None, c_void_p, c_char_p, c_uint32, c_uint32)
_Log = CFUNCTYPE(None, c_void_p, c_int, c_char_p)


class _Job(Structure):
    _fields_ = [("size", c_size_t), ("device", c_char_p), ("baud", c_uint32), ("operation", c_int), ("config_id", c_uint64),
                ("config_alias", c_char_p), ("wrapper", c_char_p), ("batch", c_uint32), ("factory_config", c_int), ("skip_keys", c_int),
                ("skip_lock", c_int), ("partial_mcm_id", c_char_p), ("gateway", c_char_p), ("control_port", c_uint16),
                ("csys_1_x", c_uint16), ("timeout", c_uint32), ("operator_name", c_char_p), ("context", c_void_p),
                ("progress", _Progress), ("log", _Log)]


class _Outcome(Structure):
    _fields_ = [("code", c_int), ("locked", c_int), ("keyed", c_int), ("node_id", c_uint64), ("seconds", c_double), ("run", c_char * 40),
                ("text", c_char * 256)]


class _Target(Structure):
    _fields_ = [("name", c_char_p), ("version", c_char_p), ("public_key", c_char_p), ("firmware_path", c_char_p),
                ("field_config_path", c_char_p), ("factory_config_path", c_char_p)]


class _Config(Structure):
    _fields_ = [("config_id", c_uint64), ("revision", c_uint32), ("label", c_char_p), ("network", c_char_p), ("node", _Target),
                ("apps", POINTER(_Target)), ("apps_len", c_size_t)]


class _AppData(Structure):
    _fields_ = [("name", c_char_p), ("id", c_char_p), ("key", c_char_p), ("extra", c_char_p)]


def _load():
    try:
        library = ctypes.CDLL(os.environ.get("CLAVIGER_LINE_LIBRARY") or "libclaviger-line.so.1")
    except OSError as error:
        raise ImportError(f"{error}; CLAVIGER_LINE_LIBRARY names the library where it is not installed") from error
    for name, result, arguments in (
            ("cline_api_version", c_uint, []),
            ("cline_code_text", c_char_p, [c_int]),
            ("cline_code_action", c_char_p, [c_int, c_uint]),
            ("cline_server_open", c_int, [POINTER(_ServerConfig), POINTER(c_void_p), POINTER(_Error)]),
            ("cline_server_close", None, [c_void_p]),
            ("cline_provision", c_int, [c_void_p, POINTER(_Job), POINTER(_Outcome)]),
            ("cline_config_get", c_int, [c_void_p, c_uint64, c_char_p, c_int, POINTER(POINTER(_Config)), POINTER(_Error)]),
            ("cline_config_free", None, [POINTER(_Config)]),
            ("cline_set_dut_params", c_int,
             [c_void_p, c_int64, c_uint64, c_uint32, c_uint64, POINTER(_AppData), c_size_t, POINTER(_Error)]),
            ("cline_encrypt_key", c_int, [c_char_p, c_char_p, c_size_t, c_char_p, c_size_t, POINTER(_Error)])):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_lib = _load()


def _bytes(text):
    return None if text is None else os.fsencode(text)


def _text(value):
    return None if value is None else value.decode("utf-8", "replace")


def codeText(code):
    """What a return code means."""
    return _text(_lib.cline_code_text(code))


def codeAction(code):
    """What can be done about it: a list of sentences."""
    actions = []
    while True:
        action = _lib.cline_code_action(code, len(actions))
        if action is None:
            return actions
        actions.append(_text(action))


class ProvisioningError(Exception):
    """A return code that is not 0; `code`, and `text` that says what and where."""

    def __init__(self, code, text=""):
        super().__init__(f"return code {code}: {codeText(code)}" + (f": {text}" if text else ""))
        self.code, self.text = code, text


def _check(code, error):
    if code != 0:
        raise ProvisioningError(code, _text(error.text))


def EncryptKeyInfo(pub_key, key):
    """`key` (bytes) for the backend whose public key (PEM) is `pub_key`: hexadecimal digits, as setDutParams wants them."""
    error, room = _Error(), create_string_buffer(4096)
    _check(_lib.cline_encrypt_key(pub_key.encode(), bytes(key), len(key), room, sizeof(room), byref(error)), error)
    return _text(room.value)


class Connection:
    """The way to a node: a serial port, a pseudo-terminal or HOST:PORT, and the wrapper its host wants. After provision() `node_id` is that
    of the node (None where it did not say), `locked` and `keyed` whether it is locked and got a fresh root key, `text` what went wrong."""

    def __init__(self, device, baud=115200, wrapper=None):
        self.device, self.baud, self.wrapper = device, baud, wrapper
        self.node_id, self.locked, self.keyed, self.text = None, False, False, ""

    def _learn(self, outcome):
        self.node_id, self.locked, self.keyed = outcome.node_id or None, bool(outcome.locked), bool(outcome.keyed)
        self.text = _text(outcome.text)


class TargetFileInfo:
    """Files of one target, fetched and checked; a path is None where the package has no such file."""

    def __init__(self, target):
        self.firmware_path = os.fsdecode(target.firmware_path) if target.firmware_path else None
        self.field_config_path = os.fsdecode(target.field_config_path) if target.field_config_path else None
        self.factory_config_path = os.fsdecode(target.factory_config_path) if target.factory_config_path else None


class ConfigData:
    """A configuration: the lists app_names, app_versions, app_pub_keys and app_files have one entry per application."""

    def __init__(self, config):
        apps = [config.apps[i] for i in range(config.apps_len)]
        self.config_id, self.revision = config.config_id, config.revision
        self.label, self.network = _text(config.label), _text(config.network)
        self.node_type, self.node_version = _text(config.node.name), _text(config.node.version)
        self.kms_pub_key, self.node_files = _text(config.node.public_key), TargetFileInfo(config.node)
        self.app_names = [_text(app.name) for app in apps]
        self.app_versions = [_text(app.version) for app in apps]
        self.app_pub_keys = [_text(app.public_key) for app in apps]
        self.app_files = [TargetFileInfo(app) for app in apps]


def _default_profile():
    named = os.environ.get("CLAVIGER_PROFILE")
    own = os.path.expanduser("~/.config/claviger/station")
    return named or (own if os.path.isdir(own) else "/etc/claviger/station")


def _default_cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "claviger", "line")


class ProvisioningServerInterface:
    """A provisioning server. Use it from one thread at a time; close() it, or use it in a with statement."""

    def __init__(self, logger, server="localhost", port=DEFAULT_PORT, ssl=True, profile=None, cache=None, path_trans_from=None,
                 path_trans_to=None):
        self.logger = logger or logging.getLogger(__name__)
        if not _is_logger(self.logger):
            raise ProvisioningError(2, "the logger is none")
        self._handle = c_void_p()
        error = _Error()
        config = _ServerConfig(size=sizeof(_ServerConfig), host=_bytes(server), port=port, plain=0 if ssl else 1,
                               profile=_bytes(profile or _default_profile()), cache=_bytes(cache or _default_cache()),
                               path_trans_from=_bytes(path_trans_from), path_trans_to=_bytes(path_trans_to))
        _check(_lib.cline_server_open(byref(config), byref(self._handle), byref(error)), error)

    def close(self):
        if self._handle:
            _lib.cline_server_close(self._handle)
            self._handle = c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()

    def getConfig(self, node_type, node_id, config_id, config_alias=None):
        """The configuration with its files. node_type may be None; where it is not, the configuration has to be for it. node_id is not
        needed and taken for the sake of tools that give it. ProvisioningError."""
        error, found = _Error(), POINTER(_Config)()
        code = _lib.cline_config_get(self._handle, config_id or 0, _bytes(config_alias), 1, byref(found), byref(error))
        _check(code, error)
        try:
            data = ConfigData(found.contents)
        finally:
            _lib.cline_config_free(found)
        if node_type is not None and node_type != data.node_type:
            raise ProvisioningError(43, f"the configuration is for a {data.node_type}, the node is a {node_type}")
        return data

    def setDutParams(self, timestamp, config_id, batch, node_id, app_names, app_ids, app_keys, extraAppInfo):
        """Tell what a host of a device got that provision() has keyed already. app_ids, app_keys and extraAppInfo have an entry for each
        of app_names: hexadecimal digits, or None or "". ProvisioningError."""
        if not len(app_names) == len(app_ids) == len(app_keys) == len(extraAppInfo):
            raise ValueError("the lists are not of one length")
        if node_id is None:
            raise ProvisioningError(3, "the server knows devices by their node's id")
        error = _Error()
        apps = (_AppData * max(1, len(app_names)))(*(
            _AppData(name=_bytes(n), id=_bytes(i), key=_bytes(k), extra=_bytes(e))
            for n, i, k, e in zip(app_names, app_ids, app_keys, extraAppInfo)))
        code = _lib.cline_set_dut_params(self._handle, int(timestamp), config_id, batch, node_id, apps, len(app_names), byref(error))
        _check(code, error)


def _is_logger(logger):
    return all(callable(getattr(logger, name, None)) for name in ("log", "error"))


def provision(conn, logger, debug, config_id, server_ip_addr, server_port=DEFAULT_PORT, batch=0, config_alias=None, operation="PROVISION",
              factory_config=False, skip_keys=False, skip_lock=False, partial_mcm_id=None, gateway=None, control_port=0, csys_1_x=False,
              timeout=0, operator=None, ssl=True, profile=None, cache=None, path_trans_from=None, path_trans_to=None, progress=None):
    """Provision the node behind `conn` and give the return code, 0 for success; codeText() and codeAction() say what it means, and `conn`
    knows more after it. With `debug` the logger gets everything, else warnings and errors; one that is none is return code 2.
    `progress(stage, done, total)` is called on the way. No exception but for arguments of a wrong type."""
    logger = logger or logging.getLogger(__name__)
    if isinstance(conn, Connection):
        conn._learn(_Outcome())
    if not _is_logger(logger):
        return 2

    def on_log(_context, level, text):
        if debug or level < 2:
            logger.log(_LEVELS[min(level, 3)], "%s", _text(text))

    def on_progress(_context, stage, done, total):
        if progress is not None:
            progress(_text(stage), done, total)

    callbacks = _Progress(on_progress), _Log(on_log)  # have to live as long as the call
    outcome = _Outcome()
    job = _Job(size=sizeof(_Job), device=_bytes(conn.device), baud=conn.baud or 0, operation=OPERATIONS.index(operation),
               config_id=config_id or 0, config_alias=_bytes(config_alias), wrapper=_bytes(conn.wrapper), batch=batch,
               factory_config=factory_config, skip_keys=skip_keys, skip_lock=skip_lock, partial_mcm_id=_bytes(partial_mcm_id),
               gateway=_bytes(gateway), control_port=control_port, csys_1_x=csys_1_x, timeout=timeout, operator_name=_bytes(operator),
               progress=callbacks[0], log=callbacks[1])
    try:
        with ProvisioningServerInterface(logger, server_ip_addr, server_port, ssl, profile, cache, path_trans_from, path_trans_to) as server:
            code = _lib.cline_provision(server._handle, byref(job), byref(outcome))
    except ProvisioningError as error:
        logger.error("%s", error)
        return error.code
    if isinstance(conn, Connection):
        conn._learn(outcome)
    if code != 0:
        logger.error("return code %d: %s: %s", code, codeText(code), _text(outcome.text))
    return code
