// Asks again and again whether anything has changed, each time once the answer before is there: a closed page asks no more.
export default {
  render({ model, el }) {
    el.hidden = true;
    let later = 0;
    const ask = () => {
      if (model.get("on")) model.send({});
    };
    const wait = () => {
      clearTimeout(later);
      later = setTimeout(ask, model.get("every_ms"));
    };
    model.on("change:answered", wait);
    model.on("change:on", wait);
    wait();
    return () => {
      clearTimeout(later);
      model.off("change:answered", wait);
      model.off("change:on", wait);
    };
  },
};
