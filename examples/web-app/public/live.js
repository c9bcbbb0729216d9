/** Shows changes of a session as they happen. Without this script the page works, and shows them when it is loaded again. */
const live = document.querySelector('[data-events]');
if (live) {
  const show = (field, text) => {
    live.querySelector(`[data-field="${field}"]`).textContent = text;
  };
  const events = new EventSource(live.dataset.events);
  events.addEventListener('open', () => show('state', 'live'));
  events.addEventListener('error', () => show('state', 'connecting again …'));
  events.addEventListener('session', ({ data }) => {
    const session = JSON.parse(data);
    show('note', session.data.note ?? JSON.stringify(session.data));
    show('version', session.version);
  });
}
