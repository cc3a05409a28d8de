#include "fake/gateway_control.h"

struct fake_gateway fake_gateway;

enum err line_gateway_status(const struct line_gateway *gateway, uint64_t node,
                             struct line_gateway_status *ret_status, struct err_detail *detail)
{
    (void)node;
    fake_gateway.one_x = gateway->one_x;
    if (fake_gateway.err != ERR_OK)
        return err_set(detail, fake_gateway.err, "fake gateway");
    if (fake_gateway.asked != 0 && fake_gateway.lost != 0) {
        fake_gateway.lost--;
        return err_set(detail, ERR_UNREACHABLE, "fake gateway");
    }
    *ret_status = (struct line_gateway_status){0};
    if (++fake_gateway.asked > fake_gateway.polls)
        ret_status->join = fake_gateway.then;
    return ERR_OK;
}

enum err line_gateway_clear(const struct line_gateway *gateway, uint64_t node,
                            struct err_detail *detail)
{
    (void)gateway;
    (void)node;
    if (fake_gateway.err != ERR_OK)
        return err_set(detail, fake_gateway.err, "fake gateway");
    fake_gateway.cleared++;
    return ERR_OK;
}
