/**
 * Interface names, as the kernel takes them and as rules may hold them. A pod's author picks them, so one that a rule
 * would read as something else (`*` at the end is a wildcard, `@` in front a set) is refused with a reason.
 */

/** Linux's IFNAMSIZ less its NUL. */
const MAX_BYTES = 15

/** Why rules cannot govern an interface of that name; undefined where they can. */
export function interfaceNameProblem(name: string): string | undefined {
  if (name === 'lo') return 'lo is the loopback interface'
  if (name.length === 0 || name.length > MAX_BYTES)
    return `an interface name has 1 to ${MAX_BYTES} characters`
  if (name === '.' || name === '..') return `${name} is not an interface name`
  if (!/^[!#$%&'()+,\-.0-9;<=>?@A-Z[\]^_`a-z{|}~]+$/.test(name)) {
    return 'the interface name holds a character that no rule may hold (only printable ASCII without blank / : * " \\)'
  }
  return name.startsWith('@') ? 'an interface name that begins with @ reads as the name of a set' : undefined
}
