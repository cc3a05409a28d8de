#pragma once

#include "base/buf.h"
#include "factory/package.h"

/* package.xml (docs/package.xsd): the description of a package. One form is written; read is every
 * document that the schema allows, without document type, entities, processing instructions or
 * anything of another namespace. */

#define PACKAGE_NAMESPACE "urn:claviger:package:1"

/* Appends. The package must hold package_check. */
MUST_CHECK enum err package_xml_write(const struct package *package, struct buf *to,
                                      struct err_detail *detail);
/* At most PACKAGE_XML_MAX bytes; the package, checked, lives in the arena. ERR_SYNTAX with line and
 * column; ERR_LIMIT; as package_check. */
MUST_CHECK enum err package_xml_read(struct bytes xml, struct arena *arena,
                                     struct package *ret_package, struct err_detail *detail);
