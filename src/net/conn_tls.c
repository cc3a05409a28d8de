#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/conn_priv.h"
#include "net/metrics.h"

/* A BIO over the connection's socket that never raises SIGPIPE and remembers the peer's end. */

static int bio_write(BIO *bio, const char *data, size_t len, size_t *ret_len)
{
    struct net_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);
    if (n >= 0) {
        *ret_len = (size_t)n;
        return 1;
    }
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_write(bio);
    return 0;
}

static int bio_read(BIO *bio, char *to, size_t cap, size_t *ret_len)
{
    struct net_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (conn->drained) {
        BIO_set_retry_read(bio);
        return 0;
    }
    ssize_t n = recv(conn->fd, to, cap, 0);
    if (n > 0) {
        /* A short one has emptied the socket; what comes meanwhile raises an event. So a record
         * that came whole costs one call, not one for its head, its body and the nothing behind. */
        conn->drained = (size_t)n < cap;
        *ret_len = (size_t)n;
        return 1;
    }
    if (n == 0)
        conn->eof = true;
    else if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_read(bio);
    return 0;
}

static long bio_ctrl(BIO *bio, int what, long num, void *pointer)
{
    (void)num;
    (void)pointer;
    const struct net_conn *conn = BIO_get_data(bio);
    switch (what) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return conn->eof;
    default: return 0;
    }
}

static BIO_METHOD *method;

static void make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    if (made == NULL || BIO_meth_set_write_ex(made, bio_write) != 1 ||
        BIO_meth_set_read_ex(made, bio_read) != 1 || BIO_meth_set_ctrl(made, bio_ctrl) != 1) {
        BIO_meth_free(made);
        return;
    }
    method = made;
}

enum err conn_tls_begin(struct net_conn *conn)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return ERR_NO_MEMORY;
    SSL *ssl = NULL;
    enum err err = tls_ssl_new(conn->tls, conn->tls_name, conn->pinned, &ssl);
    if (err != ERR_OK) {
        (void)BIO_free(bio);
        return err;
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    conn->ssl = ssl;
    net_tls_unref(conn->tls);
    conn->tls = NULL;
    return ERR_OK;
}

static void handshake_failed(struct net_conn *conn)
{
    long verify = SSL_get_verify_result(conn->ssl);
    if (conn->eof && verify == X509_V_OK && ERR_peek_error() == 0)
        (void)err_set(&conn->detail, ERR_TLS, "the peer closed within the TLS handshake");
    else
        (void)tls_failure(&conn->detail, "TLS handshake");
    if (verify != X509_V_OK) {
        (void)err_set(&conn->detail, ERR_TLS, "the peer's certificate does not verify: %s",
                      X509_verify_cert_error_string(verify));
    }
    metric_add(&net_metrics.handshake_failures, 1);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    conn->reason = NET_CLOSE_TLS;
    /* lets the alert arrive */
    conn_linger(conn, NET_CLOSE_TLS);
}

/* A session may be resumed after the certificate that it was made with has expired. */
static bool resumed_certificate_expired(const SSL *ssl)
{
    const X509 *cert = SSL_session_reused(ssl) ? SSL_get0_peer_certificate(ssl) : NULL;
    return cert != NULL && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
}

static bool is_pinned(const struct net_conn *conn)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const X509 *cert = SSL_get0_peer_certificate(conn->ssl);
    return cert != NULL && X509_digest(cert, EVP_sha256(), digest, &len) == 1 &&
           len == sizeof conn->pin && memcmp(digest, conn->pin, len) == 0;
}

void conn_tls_handshake(struct net_conn *conn)
{
    ERR_clear_error();
    conn->drained = false;
    int done = SSL_do_handshake(conn->ssl);
    if (done == 1) {
        if (resumed_certificate_expired(conn->ssl)) {
            conn_fail(conn, NET_CLOSE_TLS, ERR_TLS, "the peer's certificate has expired");
            return;
        }
        if (conn->pinned && !is_pinned(conn)) {
            conn_fail(conn, NET_CLOSE_TLS, ERR_TLS,
                      "the peer has another certificate than its own");
            return;
        }
        metric_add(&net_metrics.handshakes, 1);
        conn->eof = false; /* only the record layer says so from here */
        conn_ready_to_frame(conn);
        return;
    }
    switch (SSL_get_error(conn->ssl, done)) {
    case SSL_ERROR_WANT_READ: conn->blocked = false; break;
    case SSL_ERROR_WANT_WRITE: conn->blocked = true; break;
    default: handshake_failed(conn); return;
    }
    conn_rearm(conn);
}

static enum conn_io io_result(struct net_conn *conn, int result, const char *what)
{
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN: return CONN_IO_EOF;
    case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0) {
            (void)err_errno(&conn->detail, "%s", what);
            return CONN_IO_FAILED;
        }
        break;
    default: break;
    }
    (void)tls_failure(&conn->detail, what);
    return CONN_IO_FAILED;
}

enum conn_io conn_tls_read(struct net_conn *conn, uint8_t *to, size_t cap, size_t *ret_len)
{
    size_t total = 0;
    enum conn_io io = CONN_IO_OK;
    ERR_clear_error();
    conn->drained = false;
    while (total < cap && io == CONN_IO_OK) {
        size_t n = 0;
        int result = SSL_read_ex(conn->ssl, to + total, cap - total, &n);
        total += n;
        if (result == 1)
            continue;
        int error = SSL_get_error(conn->ssl, result);
        if (error == SSL_ERROR_WANT_WRITE)
            conn->read_wants_write = true;
        io = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
                 ? CONN_IO_AGAIN
                 : io_result(conn, result, "receive");
    }
    *ret_len = total;
    return io;
}

enum conn_io conn_tls_write(struct net_conn *conn, const uint8_t *from, size_t len, size_t *ret_len)
{
    ERR_clear_error();
    size_t n = 0;
    int result = SSL_write_ex(conn->ssl, from, len, &n);
    if (result == 1) {
        *ret_len = n;
        return CONN_IO_OK;
    }
    int error = SSL_get_error(conn->ssl, result);
    if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ)
        return CONN_IO_AGAIN;
    return io_result(conn, result, "send");
}

void conn_tls_end(struct net_conn *conn)
{
    ERR_clear_error();
    (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
}

static void copy_names(struct net_peer_cert *cert, const GENERAL_NAMES *names, char *room,
                       size_t cap)
{
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS || cert->dns_len == NET_CERT_DNS_MAX)
            continue;
        size_t len = (size_t)ASN1_STRING_length(name->d.dNSName);
        const unsigned char *text = ASN1_STRING_get0_data(name->d.dNSName);
        /* a NUL within a name is an old trick to look like another */
        if (len == 0 || len + 1 > cap || memchr(text, '\0', len) != NULL)
            continue;
        memcpy(room, text, len);
        room[len] = '\0';
        cert->dns[cert->dns_len++] = room;
        room += len + 1;
        cap -= len + 1;
    }
}

static void copy_common_name(struct net_peer_cert *cert, const X509_NAME *subject)
{
    int last = -1;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
        last = at;
    if (last < 0)
        return;
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, last);
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    if (len > 0 && (size_t)len < sizeof cert->common_name &&
        memchr(utf8, '\0', (size_t)len) == NULL)
        memcpy(cert->common_name, utf8, (size_t)len);
    OPENSSL_free(utf8);
}

static void copy_text(struct net_peer_cert *cert, const X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0,
                           XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) > 0) {
        int len = BIO_read(bio, cert->subject, sizeof cert->subject - 1);
        cert->subject[len > 0 ? len : 0] = '\0';
    }
    BIO_free(bio);
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
    char *hex = serial != NULL ? BN_bn2hex(serial) : NULL;
    for (size_t i = 0; hex != NULL && hex[i] != '\0' && i + 1 < sizeof cert->serial; i++)
        cert->serial[i] = (char)(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] + 32 : hex[i]);
    OPENSSL_free(hex);
    BN_free(serial);
}

const struct net_peer_cert *net_conn_peer_cert(struct net_conn *conn)
{
    if (conn->cert != NULL)
        return conn->cert;
    X509 *x509 = conn->ssl != NULL ? SSL_get0_peer_certificate(conn->ssl) : NULL;
    if (x509 == NULL)
        return NULL;
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    const size_t names_cap = 8192;
    struct net_peer_cert *cert = calloc(1, sizeof *cert + names_cap);
    unsigned len = sizeof cert->fingerprint;
    if (cert == NULL || X509_digest(x509, EVP_sha256(), cert->fingerprint, &len) != 1) {
        free(cert);
        GENERAL_NAMES_free(names);
        return NULL;
    }
    for (unsigned i = 0; i < sizeof cert->fingerprint; i++) {
        cert->fingerprint_hex[2 * i] = "0123456789abcdef"[cert->fingerprint[i] >> 4];
        cert->fingerprint_hex[2 * i + 1] = "0123456789abcdef"[cert->fingerprint[i] & 15];
    }
    copy_names(cert, names, (char *)(cert + 1), names_cap);
    GENERAL_NAMES_free(names);
    copy_common_name(cert, X509_get_subject_name(x509));
    copy_text(cert, x509);
    cert->verified = SSL_get_verify_result(conn->ssl) == X509_V_OK &&
                     SSL_get_verify_mode(conn->ssl) != SSL_VERIFY_NONE;
    struct tm tm;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm) == 1)
        cert->not_after = timegm(&tm);
    conn->cert = cert;
    return cert;
}
