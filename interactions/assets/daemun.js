// Only improves: every page works without it. It finds its work by data attributes and writes text, never markup.

for (const box of document.querySelectorAll('[data-reveal]')) {
  const input = box.querySelector('input');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'reveal';
  button.setAttribute('aria-controls', input.id);
  const say = (word) => {
    button.textContent = word;
    button.setAttribute('aria-label', `${input.labels[0].textContent.trim()}: ${word}`);
  };
  say(box.dataset.show);
  button.addEventListener('click', () => {
    const shown = input.type === 'text';
    input.type = shown ? 'password' : 'text';
    say(shown ? box.dataset.show : box.dataset.hide);
  });
  // Password managers and browsers must see a password field when the form goes out.
  input.form.addEventListener('submit', () => {
    input.type = 'password';
  });
  box.append(button);
}

for (const form of document.querySelectorAll('form[data-once]')) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = 'yes';
    // The pressed button's own value must still be sent, so nothing is disabled: it only looks so.
    for (const button of form.querySelectorAll('button')) button.setAttribute('aria-disabled', 'true');
  });
}

// A page that comes back from the browser's memory has not sent anything yet; and what was shown once is not shown again.
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  if (document.querySelector('[data-shown-once]')) window.location.reload();
  for (const form of document.querySelectorAll('form[data-sent]')) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll('button')) button.removeAttribute('aria-disabled');
  }
});

for (const button of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) break;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = button.dataset.copied;
    setTimeout(() => {
      button.textContent = label;
    }, 2000);
  });
}

for (const field of document.querySelectorAll('[data-select]')) field.addEventListener('focus', () => field.select());
