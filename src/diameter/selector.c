#include "diameter/keyapp.h"

static bool fold_equal(const uint8_t *at, const char *word, size_t len)
{
    return diameter_identity_equal(bytes_of(at, len), bytes_of(word, len));
}

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_id(struct bytes text, uint64_t *ret_id)
{
    if (text.len > 2 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x')
        text = bytes_of(text.data + 2, text.len - 2);
    if (text.len == 0 || text.len > 16)
        return false;
    uint64_t id = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_value(text.data[i]);
        if (digit < 0)
            return false;
        id = id << 4 | (uint64_t)digit;
    }
    *ret_id = id;
    return true;
}

bool keyapp_selector_parse(struct bytes user, struct keyapp_ask *ret_ask)
{
    static const char gateway[] = "gateway";
    static const char node[] = "node.";
    const uint8_t *at = user.len != 0 ? memchr(user.data, '@', user.len) : NULL;
    if (at == NULL)
        return false;
    struct bytes name = bytes_of(user.data, (size_t)(at - user.data));
    struct bytes realm = bytes_of(at + 1, user.len - name.len - 1);
    struct keyapp_ask ask = {0};
    if (name.len != sizeof gateway - 1 || !fold_equal(name.data, gateway, name.len)) {
        if (!parse_id(name, &ask.id) || realm.len <= sizeof node - 1 ||
            !fold_equal(realm.data, node, sizeof node - 1))
            return false;
        ask.node = true;
        realm = bytes_of(realm.data + sizeof node - 1, realm.len - (sizeof node - 1));
    }
    if (realm.len > sizeof ask.realm || !diameter_identity_valid(realm))
        return false;
    ask.realm_len = (uint8_t)realm.len;
    memcpy(ask.realm, realm.data, realm.len);
    *ret_ask = ask;
    return true;
}
