# A library with USDT probes, as <sys/sdt.h> would write them: two places of app:one with their arguments in
# different places, and one of app:other.

.macro MARK name, semaphore, arguments
990:	nop
	.pushsection .note.stapsdt, "", "note"
	.balign 4
	.4byte 992f - 991f, 994f - 993f, 3
991:	.asciz "stapsdt"
992:	.balign 4
993:	.8byte 990b, _.stapsdt.base, \semaphore
	.asciz "app"
	.asciz "\name"
	.asciz "\arguments"
994:	.balign 4
	.popsection
.endm

	.section .stapsdt.base, "aG", "progbits", .stapsdt.base, comdat
	.weak _.stapsdt.base
	.hidden _.stapsdt.base
_.stapsdt.base:
	.space 1

	.section .probes, "aw"
listeners:
	.2byte 0

	.data
answer:
	.8byte 4242

	.text
	.globl one, again, other, asked
	.type one, @function
	.type again, @function
	.type other, @function
	.type asked, @function
# one(int number, char *text, unsigned table[])
one:
	push %rbp
	mov %rsp, %rbp
	push %rdx
	MARK one, listeners, "-4@%edi 8@%rsi 8@-8(%rbp) 8@answer(%rip) -4@$-7 4@4(%rdx,%rdi,4)"
	leave
	ret
# again(char *text, int number, unsigned table[]): number is not negative
again:
	push %rdx
	MARK one, listeners, "-4@%esi 8@%rdi 8@(%rsp) 8@answer(%rip) -4@$-7 4@4(%rdx,%rsi,4)"
	pop %rdx
	ret
other:
	MARK other, 0, ""
	ret
# How many listen to app:one.
asked:
	movzwl listeners(%rip), %eax
	ret

	.section .note.GNU-stack, "", "progbits"
