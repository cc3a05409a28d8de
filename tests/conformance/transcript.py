"""OASIS transcripts: one XML file is one conversation. Reading, filling in and binding placeholders, comparing.

The rules are those of shared/vectors/README.md: server-chosen bytes where nothing fixes them, the order of attributes, of
Query's lists and of Locate's results, vendor and server information, server correlation values and the text of result
messages are free; everything else must match.
"""

import hashlib
import re
import time
import xml.etree.ElementTree as ElementTree

from codec import BIG, BYTES, DATE, STRUCTURE, TEXT, Node, from_element

NOW = re.compile(r"\$NOW([+-]\d+)?$")
TOLERANCE = 60  # seconds between a transcript's clock and ours
# bytes that a server chooses, where no request of the conversation holds them
CHOSEN = {"KeyMaterial", "DigestValue", "IVCounterNonce", "Data", "SignatureData", "MACData", "AuthenticatedEncryptionTag",
          "CorrelationValue", "CertificateValue", "PKCS_11OutputParameters", "TicketValue", "AsynchronousCorrelationValue",
          "Modulus", "PrivateExponent", "PublicExponent", "P", "Q", "PrimeExponentP", "PrimeExponentQ", "CRTCoefficient", "KeyValue"}
VARYING = {"SignatureData", "Data", "CertificateValue", "KeyMaterial", "KeyValue", "TicketValue", "CorrelationValue"}
ENCRYPT = 0x1f
MAKING = {0x01, 0x02, 0x04, 0x05}  # Create, Create Key Pair, Re-key, Derive Key
CHOOSING = {0x08, 0x0a, 0x0b, 0x25, 0x33}  # Locate, Get and Get Attributes of what a conversation before made; RNG Retrieve; PKCS#11
BLINDED = {0x02, 0x08}  # OAEP, PKCS#1 v1.5: encryption draws random bytes
FREE_ORDER = {"Attribute", "Attributes", "ResponsePayload", "TemplateAttribute"}  # of children with several names
OPTIONAL = {"ServerCorrelationValue", "VendorIdentification", "ServerInformation", "ResultMessage"}


def placeholder(text):
    return text.startswith("$")


def read(path, tables):
    """[(request, expected response), ...]"""
    messages = [from_element(e, [], tables, placeholder) for e in ElementTree.parse(path).getroot()]
    pairs = []
    for message in messages:
        if message.tag == "RequestMessage":
            pairs.append((message, None))
        else:
            pairs[-1] = (pairs[-1][0], message)
    return pairs


class Play:
    """What one conversation has bound so far."""

    def __init__(self):
        self.bound, self.live, self.given = {}, {}, set()
        self.ours = {}  # bytes that the transcript's server chose -> what ours chose in their place
        self.random = False  # an IV or a padding of this conversation is drawn
        self.version = None  # of the request: an answer has it, whatever a transcript says (OMOS-O-1-14 errs)
        self.made = False  # keys of this conversation come from the server
        self.free = False  # nothing fixes the bytes of the answer that is being compared

    def ask(self, request):
        """A request about to be sent, filled in: what it makes the server choose."""
        operations = {n.value for n in request.walk() if n.tag == "Operation"}
        self.made = self.made or bool(operations & MAKING)
        # what a key's attributes say holds for its uses
        self.random = self.random or any(
            n.tag == "PaddingMethod" and n.value in BLINDED or n.tag == "RandomIV" and n.value for n in request.walk())
        self.free = self.made or bool(operations & CHOOSING) or (self.random and ENCRYPT in operations)
        self.version = request.child("RequestHeader").child("ProtocolVersion")

    def fill(self, node):
        """The request with its placeholders replaced."""
        if node.kind == STRUCTURE:
            return Node(node.tag, node.kind, [self.fill(n) for n in node.value])
        value = node.value
        if isinstance(value, str) and placeholder(value):
            moment = NOW.match(value)
            if moment:
                value = int(time.time()) + int(moment.group(1) or 0)
            elif value in self.bound:
                value = self.bound[value]
            elif node.tag in self.live:  # first met in a request: the tag's value in the last response that had it
                value = self.live[node.tag]
            else:
                raise ValueError(f"{node.tag}: {value} was never bound")
        if isinstance(value, bytes):
            value = self.ours.get(value, value)
            self.given.add(value)
            self.given.update(hashlib.new(name, value).digest() for name in ("sha1", "sha256", "sha384", "sha512"))
        return Node(node.tag, node.kind, value)

    def remember(self, node):
        for n in node.walk():
            if n.kind != STRUCTURE:
                self.live[n.tag] = n.value

    def compare(self, wanted, got, path=""):
        """Problems, as text; none: []."""
        here = f"{path}/{wanted.tag}"
        if wanted.tag == "ProtocolVersion":
            wanted = self.version
        if wanted.tag != got.tag or wanted.kind != got.kind:
            return [f"{here}: got {got.tag} of type {got.kind}, wanted type {wanted.kind}"]
        if wanted.kind != STRUCTURE:
            return self._value(wanted, got, here)
        return self._children(wanted, got, here)

    def _value(self, wanted, got, here):
        value = wanted.value
        if isinstance(value, str) and placeholder(value):
            moment = NOW.match(value)
            if moment:
                off = got.value - int(time.time()) - int(moment.group(1) or 0)
                return [] if abs(off) <= TOLERANCE else [f"{here}: {off} s beside {value}"]
            if value not in self.bound:
                self.bound[value] = got.value
            return [] if self.bound[value] == got.value else [f"{here}: {got.value!r} is not {value} ({self.bound[value]!r})"]
        if value == got.value or wanted.tag in OPTIONAL:
            return []
        if wanted.kind in (BYTES, BIG) and wanted.tag in CHOSEN and value not in self.given and self.free:
            fits = len(value) == len(got.value) or wanted.kind == BIG or wanted.tag in VARYING
            if not fits:
                return [f"{here}: {len(got.value)} bytes, wanted {len(value)}"]
            self.ours[value] = got.value
            return []
        if wanted.kind == DATE:
            return [] if abs(got.value - value) <= TOLERANCE else [f"{here}: {got.value}, wanted {value}"]
        return [f"{here}: {got.value!r}, wanted {value!r}"]

    def _children(self, wanted, got, here):
        problems = []
        left = [n for n in got.value]
        for w in wanted.value:
            same = [n for n in left if n.tag == w.tag]
            if not same:
                if w.tag not in OPTIONAL:
                    problems.append(f"{here}: {w.tag} is missing")
                continue
            if len(same) > 1 or wanted.tag in FREE_ORDER:
                best = self._best(w, same, here)
            else:
                best = same[0]
            left.remove(best)
            problems += self.compare(w, best, here)
        problems += [f"{here}: {n.tag} is not wanted" for n in left if n.tag not in OPTIONAL]
        if not problems and wanted.tag not in FREE_ORDER:
            problems += self._order(wanted, got, here)
        return problems

    @staticmethod
    def _order(wanted, got, here):
        order = [n.tag for n in wanted.value if n.tag not in OPTIONAL]
        was = [n.tag for n in got.value if n.tag not in OPTIONAL]
        return [] if order == was else [f"{here}: the order is {' '.join(was)}, wanted {' '.join(order)}"]

    def _best(self, wanted, candidates, here):
        """Of several with one name that which fits; the first where none does."""
        for candidate in candidates:
            kept = dict(self.bound)
            problems = self.compare(wanted, candidate, here)
            if not problems:
                return candidate
            self.bound = kept
        if wanted.kind == STRUCTURE:
            for candidate in candidates:  # the same attribute with another value
                for key in ("AttributeName", "NameValue"):
                    a, b = wanted.child(key), candidate.child(key)
                    if a is not None and b is not None and a.value == b.value:
                        return candidate
        return candidates[0]


def query_lists(expected, got):
    """Query answers by what is configured: a list in it must hold what is wanted, and may hold more."""
    kinds = {"Operation", "ObjectType"}
    for wanted, live in zip(expected.children("BatchItem"), got.children("BatchItem")):
        operation = wanted.child("Operation")
        w, g = wanted.child("ResponsePayload"), live.child("ResponsePayload")
        if operation is None or operation.value != 0x18 or w is None or g is None:
            continue
        names = {(n.tag, n.value) for n in w.value if n.tag in kinds}
        g.value = [n for n in g.value if n.tag not in kinds or (n.tag, n.value) in names]
