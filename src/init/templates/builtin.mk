# What make knows by itself, as far as Makefiles rely on it.
MAKE = make
SHELL = sh
.DEFAULT_GOAL =
CC = cc
CXX = g++
CPP = $(CC) -E
AR = ar
ARFLAGS = rv
AS = as
LEX = lex
YACC = yacc
RM = rm -f
CFLAGS =
CXXFLAGS =
CPPFLAGS =
LDFLAGS =
LDLIBS =
TARGET_ARCH =
LOADLIBES =
ASFLAGS =
DESTDIR =
COMPILE.c = $(CC) $(CFLAGS) $(CPPFLAGS) -c
COMPILE.cc = $(CXX) $(CXXFLAGS) $(CPPFLAGS) -c
LINK.o = $(CC) $(LDFLAGS)
LINK.c = $(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS)
LINK.cc = $(CXX) $(CXXFLAGS) $(CPPFLAGS) $(LDFLAGS)
OUTPUT_OPTION = -o $@

%.o: %.c
	$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<
%.o: %.cc
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -c -o $@ $<
%.o: %.cpp
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -c -o $@ $<
%.o: %.s
	$(AS) $(ASFLAGS) -o $@ $<
%: %.o
	$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@
%: %.c
	$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@
