/**
 * npm runs a script through a shell that passes no signal on: what goes on after its npm was stopped would go on unseen. Ends this
 * process, like by SIGTERM, once whoever started it as that script is gone. By SIGINT the shell is not gone, it waits: so a script
 * of package.json that begins with `exec` takes its place, and npm's signals come here (where there is no `exec`, what follows runs).
 */
export function endWithNpm(script) {
  if (process.env.npm_lifecycle_event !== script) return;
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
