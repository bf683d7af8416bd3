/// Marks what libequipoise.so exports; everything else stays hidden.
#pragma once

#define EQUIPOISE_API [[gnu::visibility("default")]]
