#pragma once

#include "line/gateway_control.h"

/* line/gateway_control.h without a gateway: whatever links this has no other. */
struct fake_gateway {
    enum err err;   /* what every call gives */
    unsigned polls; /* so many times a node is unknown ... */
    enum line_gateway_join then;
    unsigned lost; /* so many calls after the first answer find nobody */
    unsigned asked, cleared;
    bool one_x;
};
extern struct fake_gateway fake_gateway;
