/** How lines of a table name pods: `x/a`, `x/*` for a namespace, `*` for everyone. */
export function fits(pattern: string, pod: string): boolean {
  return (
    pattern === '*' || pattern === pod || (pattern.endsWith('/*') && pod.startsWith(pattern.slice(0, -1)))
  )
}
